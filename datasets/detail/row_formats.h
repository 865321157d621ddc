#pragma once

#include <cstdint>
#include <filesystem>

#include <datasets/image_header.h>
#include <datasets/row_reader.h>

namespace retentive::datasets::detail {

/// Each opens a file for streaming, or returns no rows and the reason why it has to be decoded whole. Orientation and
/// sides below 2^31 are the caller's care, except for a TIFF. They throw DataError for damage found on the way.
OpenedRows open_pnm_rows(const std::filesystem::path& path);
OpenedRows open_png_rows(const std::filesystem::path& path, const ImageHeader& header);
OpenedRows open_tiff_rows(const std::filesystem::path& path);

/// RGB from `count` grey values, which may be the last third of `out`.
void spread_grey(const uint8_t* grey, int64_t count, uint8_t* out);

/// DataError "[image] <path> is truncated or damaged at row <row> of <height>: <what>; ...".
[[noreturn]] void fail_row(const std::filesystem::path& path, int64_t row, int64_t height, const std::string& what);

/// DataError unless `bytes` bytes of compressed data can hold `rows` rows of `row_bytes`, at `ratio` at best: a header
/// that lies about the size is caught before memory is taken for it.
void check_ratio(const std::filesystem::path& path, uint64_t bytes, uint64_t rows, uint64_t row_bytes, uint64_t ratio);

}  // namespace retentive::datasets::detail
