#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include <retention/base/error.h>
#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::vision {

/// An 8-bit picture that is read once, from top to bottom, in bands of rows, so that it never has to be in memory
/// whole. Not for use from several threads at once.
class RETENTIVE_API RowSource {
 public:
  virtual ~RowSource() = default;
  RowSource(const RowSource&) = delete;
  RowSource& operator=(const RowSource&) = delete;

  int64_t height() const { return height_; }
  int64_t width() const { return width_; }
  /// 1 = grey, 3 = RGB.
  int64_t channels() const { return channels_; }
  /// The row that the next `read` begins with; `height()` when all are read.
  int64_t next_row() const { return next_row_; }

  /// The next `rows` >= 0 rows into `out`, interleaved [rows, width, channels].
  /// Throws InvalidArgument, and stays as it is, when fewer rows remain; DataError naming file and row when the file
  /// behind it is truncated or damaged; StateError at every call after one that failed so.
  void read(int64_t rows, uint8_t* out) {
    if (rows < 0 || rows > height_ - next_row_) refuse(rows);
    if (failed_) {
      throw StateError("[RowSource] reading failed after row " + std::to_string(next_row_) +
                       " before; open the picture again");
    }
    if (rows == 0) return;
    failed_ = true;  // until the rows are there, whatever read_rows throws
    read_rows(rows, out);
    failed_ = false;
    next_row_ += rows;
  }

 protected:
  /// Throws InvalidArgument unless height and width are positive and `channels` is 1 or 3.
  RowSource(int64_t height, int64_t width, int64_t channels) : height_(height), width_(width), channels_(channels) {
    if (height > 0 && width > 0 && (channels == 1 || channels == 3)) return;
    throw InvalidArgument("[RowSource] a picture of height " + std::to_string(height) + ", width " +
                          std::to_string(width) + " and " + std::to_string(channels) +
                          " channels; positive sizes and 1 or 3 channels are accepted");
  }

  /// Delivers rows [next_row(), next_row() + rows); they exist and `rows` > 0.
  virtual void read_rows(int64_t rows, uint8_t* out) = 0;

 private:
  [[noreturn]] void refuse(int64_t rows) const {
    throw InvalidArgument("[RowSource] " + std::to_string(rows) + " rows are asked for after row " +
                          std::to_string(next_row_) + " of " + std::to_string(height_) + "; 0 to " +
                          std::to_string(height_ - next_row_) + " are accepted");
  }

  int64_t height_, width_, channels_;
  int64_t next_row_ = 0;
  bool failed_ = false;
};

/// Rows that a function computes: a camera, a renderer, another library's decoder.
class RETENTIVE_API CallbackRowSource final : public RowSource {
 public:
  /// Writes rows [first, first + rows) into `out`, interleaved [rows, width, channels]; called in order of rows. What
  /// it throws passes through `read`.
  using Callback = std::function<void(int64_t first, int64_t rows, uint8_t* out)>;

  /// Throws InvalidArgument for a size or number of channels that RowSource does not accept, or without a function.
  CallbackRowSource(int64_t height, int64_t width, int64_t channels, Callback callback)
      : RowSource(height, width, channels), callback_(std::move(callback)) {
    if (!callback_) throw InvalidArgument("[CallbackRowSource] the function is empty; give one that writes rows");
  }

 private:
  void read_rows(int64_t rows, uint8_t* out) override { callback_(next_row(), rows, out); }

  Callback callback_;
};

/// The rows of an image in memory.
class RETENTIVE_API ImageRowSource final : public RowSource {
 public:
  /// Throws InvalidArgument for a size or number of channels that RowSource does not accept, or when `pixels` does not
  /// have height * width * channels values.
  explicit ImageRowSource(Image image)
      : RowSource(image.height, image.width, image.channels), image_(std::move(image)) {
    const auto values = static_cast<int64_t>(image_.pixels.size());
    if (values % height() == 0 && values / height() == width() * channels()) return;
    throw InvalidArgument("[ImageRowSource] an image [" + std::to_string(height()) + ", " + std::to_string(width()) +
                          ", " + std::to_string(channels()) + "] with " + std::to_string(values) +
                          " pixel values; height * width * channels are needed");
  }

 private:
  void read_rows(int64_t rows, uint8_t* out) override {
    const int64_t row = width() * channels();
    std::copy_n(image_.pixels.data() + next_row() * row, rows * row, out);
  }

  Image image_;
};

}  // namespace retentive::vision
