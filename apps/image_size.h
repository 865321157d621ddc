#pragma once

#include <string>

#include <bench/scaling.h>

namespace retentive::apps {

/// "224" (a square) or "480x640" (HEIGHTxWIDTH). Throws InvalidArgument naming the flag for anything else.
bench::ImageSize parse_image_size(const std::string& text, const std::string& flag);

}  // namespace retentive::apps
