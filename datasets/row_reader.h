#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <datasets/image_io.h>
#include <vision/row_source.h>

namespace retentive::datasets {

/// A picture opened for reading in bands of rows.
struct OpenedRows {
  std::unique_ptr<vision::RowSource> rows;  ///< RGB [height, width, 3], grey replicated
  bool streamed = false;                    ///< rows are decoded as they are read; otherwise the picture is in memory
  std::string reason;                       ///< why it was decoded whole; empty when streamed
};

/// Opens a picture so that memory need not hold it; its pixels are those of `decode_image`.
/// Streamed, with memory for a few rows whatever the height, and up to 2^31 - 1 pixels a side:
/// - binary PPM and PGM (P6, P5);
/// - PNG, not interlaced, of every colour type and depth;
/// - TIFF and BigTIFF in strips: 8-bit grey or RGB, plain, LZW, deflate or PackBits, strips of at most 64 MiB
/// compressed. Everything else, also any picture that EXIF or TIFF orientation turns, is decoded whole; `options`
/// limits that alone. Throws DataError as `decode_image` does; damage further down is found, and thrown, when its row
/// is read.
RETENTIVE_API OpenedRows open_rows(const std::filesystem::path& path, const DecodeOptions& options = {});

}  // namespace retentive::datasets
