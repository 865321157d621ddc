#include <zlib.h>

#include <algorithm>
#include <memory>

#include <datasets/detail/byte_reader.h>
#include <datasets/mnist.h>
#include <datasets/resize.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace {

constexpr uint32_t kImagesMagic = 0x00000803;  // unsigned bytes, 3 dimensions
constexpr uint32_t kLabelsMagic = 0x00000801;  // unsigned bytes, 1 dimension
constexpr uint64_t kMaxBytes = uint64_t{1} << 33;

struct CloseGz {
  void operator()(gzFile_s* file) const { gzclose(file); }
};

/// A plain or gzip-compressed idx file, read front to back.
class IdxReader {
 public:
  explicit IdxReader(const std::filesystem::path& path) : name_(path.string()) {
    uint64_t size = 0;
    detail::open_regular_file(path, "idx", size);
    file_.reset(gzopen(path.c_str(), "rb"));
    if (!file_) fail("cannot be opened; check its permissions");
  }

  [[noreturn]] void fail(const std::string& what) const { throw DataError("[idx] " + name_ + " " + what); }

  std::vector<uint32_t> read_header(uint32_t magic, int dimensions) {
    const uint32_t found = read_word();
    if (found != magic) {
      fail("begins with " + std::to_string(found) + " where " + std::to_string(magic) + " is expected; give an idx" +
           std::to_string(dimensions) + "-ubyte file, plain or .gz");
    }
    std::vector<uint32_t> sizes;
    uint64_t bytes = 1;
    for (int i = 0; i < dimensions; ++i) {
      sizes.push_back(read_word());
      if (sizes.back() == 0) fail("has a dimension of size 0; replace the file");
      bytes = bytes > kMaxBytes ? bytes : bytes * sizes.back();
    }
    if (bytes > kMaxBytes) fail("declares more than " + std::to_string(kMaxBytes) + " bytes; split the file");
    return sizes;
  }

  /// All the rest, which must be `count` bytes; memory grows with what is really there.
  std::vector<uint8_t> read_rest(uint64_t count) {
    constexpr uint64_t kPiece = 1 << 20;
    std::vector<uint8_t> bytes;
    while (bytes.size() < count) {
      const size_t before = bytes.size();
      const size_t piece = std::min(kPiece, count - before);
      bytes.resize(before + piece);
      const size_t got = read(bytes.data() + before, piece);
      if (got == piece) continue;
      fail("is truncated: its header declares " + std::to_string(count) + " bytes of data but " +
           std::to_string(before + got) + " follow; replace it by a complete copy");
    }
    uint8_t extra;
    if (read(&extra, 1) != 0) {
      fail("holds more than the " + std::to_string(count) + " bytes of data its header declares; replace the file");
    }
    return bytes;
  }

 private:
  size_t read(uint8_t* out, size_t count) {
    const int got = gzread(file_.get(), out, static_cast<unsigned>(count));
    if (got < 0) fail("is a damaged gzip file; replace it by an intact copy");
    int state = Z_OK;
    gzerror(file_.get(), &state);
    if (state == Z_BUF_ERROR) fail("is a truncated gzip file; replace it by a complete copy");
    return static_cast<size_t>(got);
  }

  uint32_t read_word() {
    uint8_t b[4];
    if (read(b, 4) != 4) fail("is truncated within its header; replace it by a complete copy");
    return uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | b[3];
  }

  std::string name_;
  std::unique_ptr<gzFile_s, CloseGz> file_;
};

void write_file(const std::filesystem::path& path, const std::vector<uint8_t>& bytes) {
  const char* mode = path.extension() == ".gz" ? "wb9" : "wbT";
  gzFile file = gzopen(path.c_str(), mode);
  bool good = file != nullptr;
  constexpr size_t kPiece = 1 << 20;
  for (size_t at = 0; good && at < bytes.size(); at += kPiece) {
    const unsigned piece = static_cast<unsigned>(std::min(kPiece, bytes.size() - at));
    good = gzwrite(file, bytes.data() + at, piece) == static_cast<int>(piece);
  }
  const bool closed = file && gzclose(file) == Z_OK;
  if (good && closed) return;
  throw DataError("[write_idx] " + path.string() +
                  " cannot be written; check that its folder exists, is writable and has space");
}

void append_word(std::vector<uint8_t>& bytes, int64_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<uint8_t>(value >> shift));
}

void check_writable(const std::vector<Image>& images, const std::vector<int64_t>& labels) {
  if (images.empty() || images.size() != labels.size() || images.size() > UINT32_MAX) {
    throw InvalidArgument("[write_idx] there are " + std::to_string(images.size()) + " images and " +
                          std::to_string(labels.size()) + " labels; one label per image is needed, and at least one");
  }
  for (size_t i = 0; i < images.size(); ++i) {
    const Image& image = images[i];
    check_image(image, "write_idx");
    if (image.channels != 1 || image.height != images[0].height || image.width != images[0].width) {
      throw InvalidArgument("[write_idx] image " + std::to_string(i) + " is [" + std::to_string(image.height) + ", " +
                            std::to_string(image.width) + ", " + std::to_string(image.channels) +
                            "]; all must be grey (1 channel) and as large as the first");
    }
    if (labels[i] < 0 || labels[i] > 255) {
      throw InvalidArgument("[write_idx] label " + std::to_string(i) + " is " + std::to_string(labels[i]) +
                            "; 0 to 255 is accepted");
    }
  }
}

}  // namespace

Mnist::Mnist(const std::filesystem::path& images, const std::filesystem::path& labels,
             std::vector<std::string> class_names)
    : name_(images.string()), files_({images, labels}), class_names_(std::move(class_names)) {
  if (class_names_.empty()) {
    for (char digit = '0'; digit <= '9'; ++digit) class_names_.emplace_back(1, digit);
  }
  IdxReader image_file(images);
  const auto sizes = image_file.read_header(kImagesMagic, 3);
  pixels_ = image_file.read_rest(uint64_t{sizes[0]} * sizes[1] * sizes[2]);
  height_ = sizes[1];
  width_ = sizes[2];
  IdxReader label_file(labels);
  const uint32_t count = label_file.read_header(kLabelsMagic, 1)[0];
  if (count != sizes[0]) {
    label_file.fail("holds " + std::to_string(count) + " labels but " + name_ + " holds " + std::to_string(sizes[0]) +
                    " images; give the two files of one set");
  }
  labels_ = label_file.read_rest(count);
  const auto wrong = std::find_if(labels_.begin(), labels_.end(), [&](uint8_t l) { return l >= class_names_.size(); });
  if (wrong != labels_.end()) {
    label_file.fail("has label " + std::to_string(*wrong) + " at index " + std::to_string(wrong - labels_.begin()) +
                    "; 0 to " + std::to_string(class_names_.size() - 1) + " is accepted: give all class names");
  }
}

int64_t Mnist::size() const { return static_cast<int64_t>(labels_.size()); }

Sample Mnist::get(int64_t index) const {
  check_index(index, "mnist");
  const auto first = pixels_.begin() + index * height_ * width_;
  return {{height_, width_, 1, {first, first + height_ * width_}}, labels_[index], name_ + "#" + std::to_string(index)};
}

int64_t Mnist::label(int64_t index) const {
  check_index(index, "mnist");
  return labels_[index];
}

const std::vector<std::string>& Mnist::class_names() const { return class_names_; }

std::vector<std::filesystem::path> Mnist::files() const { return files_; }

void write_idx(const std::filesystem::path& images_path, const std::filesystem::path& labels_path,
               const std::vector<Image>& images, const std::vector<int64_t>& labels) {
  check_writable(images, labels);
  std::vector<uint8_t> bytes;
  for (const int64_t word :
       {int64_t{kImagesMagic}, static_cast<int64_t>(images.size()), images[0].height, images[0].width}) {
    append_word(bytes, word);
  }
  for (const Image& image : images) bytes.insert(bytes.end(), image.pixels.begin(), image.pixels.end());
  write_file(images_path, bytes);
  bytes.clear();
  append_word(bytes, kLabelsMagic);
  append_word(bytes, static_cast<int64_t>(labels.size()));
  for (const int64_t label : labels) bytes.push_back(static_cast<uint8_t>(label));
  write_file(labels_path, bytes);
}

}  // namespace retentive::datasets
