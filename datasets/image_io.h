#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::datasets {

using vision::Image;

struct DecodeOptions {
  /// Images with more pixels are refused before any decoding.
  int64_t max_pixels = 64'000'000;
  /// Leaves EXIF-turned images as they are stored.
  bool ignore_orientation = false;
};

/// Decodes JPEG, PNG, WebP, GIF, BMP, TIFF or PNM to RGB [height, width, 3]: grey replicated, 16-bit by its high byte,
/// palettes expanded, EXIF orientation applied, the first image of several. Alpha is dropped, unless it alone shows
/// what there is to see (docs/images.md). What a user should know goes to the sink of notes.h.
/// Throws DataError naming the file for anything that is not a complete image or exceeds the limit.
RETENTIVE_API Image decode_image(const std::filesystem::path& path, const DecodeOptions& options = {});

/// The same for an encoded image in memory; `name` stands for it in messages.
RETENTIVE_API Image decode_image(std::span<const uint8_t> bytes, const std::string& name,
                                 const DecodeOptions& options = {});

/// An image with its transparency.
struct TransparentImage {
  Image colour;            ///< RGB [height, width, 3], not multiplied with alpha
  Image alpha;             ///< [height, width, 1], 255 = opaque
  bool has_alpha = false;  ///< the file has an alpha channel; opaque everywhere otherwise
};

/// decode_image with the alpha channel; same errors.
RETENTIVE_API TransparentImage decode_transparent_image(const std::filesystem::path& path,
                                                        const DecodeOptions& options = {});

/// JPEG file contents of a grey or RGB image; quality 1 to 100. Throws InvalidArgument for another shape or quality.
RETENTIVE_API std::vector<uint8_t> encode_jpeg(const Image& image, int quality);

/// PNG file contents of a grey (1 channel) or RGB (3 channels) image. Throws InvalidArgument for another shape.
RETENTIVE_API std::vector<uint8_t> encode_png(const Image& image);

/// Writes a grey or RGB image in the format of the extension: .png, .jpg, .jpeg, .webp, .bmp, .tif, .tiff, .ppm, .pgm.
/// Throws InvalidArgument for another extension or shape, DataError when the file cannot be written.
RETENTIVE_API void write_image(const std::filesystem::path& path, const Image& image);

}  // namespace retentive::datasets
