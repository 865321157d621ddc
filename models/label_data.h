#pragma once

#include <string_view>

namespace retentive::models {

/// Names of the ImageNet-1k classes, one a line: assets/labels/imagenet1k.txt, compiled in.
std::string_view imagenet1k_text() noexcept;

/// Names of the 80 object classes of COCO, likewise: assets/labels/coco.txt.
std::string_view coco_text() noexcept;

}  // namespace retentive::models
