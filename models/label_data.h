#pragma once

#include <string_view>

namespace retentive::models {

/// Names of the ImageNet-1k classes, one a line: assets/labels/imagenet1k.txt, compiled in.
std::string_view imagenet1k_text() noexcept;

}  // namespace retentive::models
