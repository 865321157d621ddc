#include <tiffio.h>

#include <cstdio>

#include <datasets/detail/tiff_file.h>

namespace retentive::datasets::detail {

namespace {

constexpr tmsize_t kMaxAllocation = tmsize_t{256} << 20;

}  // namespace

/// The file below libtiff, which calls these functions from C: nothing here throws.
struct TiffFile::Stream {
  ByteReader reader;
  uint64_t position = 0;
  char message[160] = "no further word from libtiff";

  static Stream& of(void* handle) { return *static_cast<Stream*>(handle); }

  static tmsize_t read(thandle_t handle, void* out, tmsize_t count) {
    Stream& self = of(handle);
    const size_t present = self.reader.copy(self.position, static_cast<uint8_t*>(out), static_cast<size_t>(count));
    self.position += present;
    return static_cast<tmsize_t>(present);
  }
  static tmsize_t write(thandle_t, void*, tmsize_t) { return 0; }
  static toff_t seek(thandle_t handle, toff_t offset, int whence) {
    Stream& self = of(handle);
    self.position = offset + (whence == SEEK_CUR ? self.position : whence == SEEK_END ? self.reader.size() : 0);
    return self.position;
  }
  static int close(thandle_t) { return 0; }
  static toff_t bytes(thandle_t handle) { return of(handle).reader.size(); }

  static int on_error(TIFF*, void* user, const char*, const char* format, va_list arguments) {
    Stream& self = of(user);
    std::vsnprintf(self.message, sizeof(self.message), format, arguments);
    return 1;  // nor shall the process-wide handler hear of it
  }
  static int on_warning(TIFF*, void*, const char*, const char*, va_list) { return 1; }
};

// m: no mapping, so that a file that shrinks meanwhile is an error and no signal; c: strips as they are.
TiffFile::TiffFile(ByteReader reader) : stream_(new Stream{std::move(reader)}) {
  TIFFOpenOptions* options = TIFFOpenOptionsAlloc();
  if (!options) return;
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, kMaxAllocation);
  TIFFOpenOptionsSetErrorHandlerExtR(options, Stream::on_error, stream_.get());
  TIFFOpenOptionsSetWarningHandlerExtR(options, Stream::on_warning, nullptr);
  tiff_ = TIFFClientOpenExt(stream_->reader.name().c_str(), "rmc", stream_.get(), Stream::read, Stream::write,
                            Stream::seek, Stream::close, Stream::bytes, nullptr, nullptr, options);
  TIFFOpenOptionsFree(options);
}

TiffFile::~TiffFile() {
  if (tiff_) TIFFClose(tiff_);
}

const char* TiffFile::message() const { return stream_->message; }
uint64_t TiffFile::size() const { return stream_->reader.size(); }

bool TiffFile::read(uint64_t begin, uint8_t* out, size_t count) {
  return stream_->reader.copy(begin, out, count) == count;
}

}  // namespace retentive::datasets::detail
