#pragma once

#include <memory>
#include <string>

#include <datasets/detail/byte_reader.h>

struct tiff;

namespace retentive::datasets::detail {

/// A file or memory opened by libtiff; errors go to message(), nothing to stderr.
class TiffFile {
 public:
  explicit TiffFile(ByteReader reader);
  ~TiffFile();
  TiffFile(const TiffFile&) = delete;
  TiffFile& operator=(const TiffFile&) = delete;

  /// libtiff's handle; null when it does not open the file.
  tiff* get() const { return tiff_; }
  const char* message() const;
  uint64_t size() const;
  /// Bytes of the file; whether all came.
  bool read(uint64_t begin, uint8_t* out, size_t count);

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
  tiff* tiff_ = nullptr;
};

}  // namespace retentive::datasets::detail
