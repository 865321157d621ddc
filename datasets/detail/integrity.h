#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <datasets/image_header.h>

namespace retentive::datasets::detail {

/// Throws DataError when an encoded image is cut short or damaged in a way that decoders pass over in silence
/// (a JPEG without its end, a PNG chunk with a wrong checksum, a TIFF strip beyond the file), or is of a kind that is
/// refused by name. `name` stands for the image in messages.
void check_complete(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name);

/// A TIFF whose orientation and alpha tags tell the decoder to leave the pixels as they are stored.
std::vector<uint8_t> neutral_tiff(std::span<const uint8_t> bytes, const std::string& name);

}  // namespace retentive::datasets::detail
