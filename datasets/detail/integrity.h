#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <datasets/image_header.h>

namespace retentive::datasets::detail {

/// Throws DataError when an encoded image is cut short or damaged in a way that decoders pass over in silence
/// (a JPEG without image data, a PNG chunk with a wrong checksum, a TIFF strip beyond the file), or is of a kind that
/// is refused by name. `name` stands for the image in messages.
void check_complete(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name);

}  // namespace retentive::datasets::detail
