#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include <retention/base/export.h>

namespace retentive::datasets {

enum class ImageFormat { jpeg, png, webp, gif, bmp, tiff, pnm };

/// What an image file says of itself before anything is decoded.
struct ImageHeader {
  ImageFormat format = ImageFormat::jpeg;
  int64_t width = 0;    ///< pixels as stored, before `orientation` is applied
  int64_t height = 0;   ///< pixels as stored, before `orientation` is applied
  int channels = 0;     ///< as stored: palette = 1, grey and alpha = 2, CMYK = 4; 0 when the header does not say
  int bit_depth = 0;    ///< bits per channel as stored (per index for a palette)
  int orientation = 1;  ///< EXIF orientation 1-8; 1 also when absent or damaged
};

/// "JPEG", "PNG", ...
RETENTIVE_API const char* to_string(ImageFormat format);

/// Reads size and orientation of a file; bounded whatever the file says: seeks over pixel data, never loads it.
/// Throws DataError for a missing, unknown, truncated or zero-sized image.
RETENTIVE_API ImageHeader read_image_header(const std::filesystem::path& path);

/// The same for an image in memory; `name` stands for it in messages.
RETENTIVE_API ImageHeader read_image_header(std::span<const uint8_t> bytes, const std::string& name);

}  // namespace retentive::datasets
