#include <vector>

#include <datasets/detail/header_formats.h>
#include <datasets/detail/row_formats.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {

namespace {

class PnmRows final : public vision::RowSource {
 public:
  PnmRows(const std::filesystem::path& path, const PnmLayout& layout)
      : RowSource(layout.height, layout.width, 3),
        path_(path),
        values_(layout.width * (layout.kind == 6 ? 3 : 1)),
        wide_(layout.max_value > 255) {
    uint64_t size = 0;
    file_ = open_regular_file(path, "image", size);
    file_.seekg(static_cast<std::streamoff>(layout.data));
  }

 private:
  void read_rows(int64_t rows, uint8_t* out) override {
    for (int64_t i = 0; i < rows; ++i, out += width() * 3) {
      uint8_t* const values = out + width() * 3 - values_;  // grey lies where spreading it overwrites no unread value
      if (wide_) {
        packed_.resize(static_cast<size_t>(values_) * 2);
        read_bytes(packed_.data(), values_ * 2, next_row() + i);
        for (int64_t k = 0; k < values_; ++k) values[k] = packed_[2 * k];  // the high byte
      } else {
        read_bytes(values, values_, next_row() + i);
      }
      if (values != out) spread_grey(values, width(), out);
    }
  }

  void read_bytes(uint8_t* out, int64_t count, int64_t row) {
    if (file_.read(reinterpret_cast<char*>(out), count)) return;
    fail_row(path_, row, height(), "the file ends or cannot be read");
  }

  std::filesystem::path path_;
  std::ifstream file_;
  int64_t values_;  ///< in a row, as stored
  bool wide_;       ///< two bytes a value
  std::vector<uint8_t> packed_;
};

}  // namespace

OpenedRows open_pnm_rows(const std::filesystem::path& path) {
  ByteReader reader(path);
  const PnmLayout layout = read_pnm_layout(reader);
  if (layout.kind < 5) return {nullptr, false, "PNM of kind P" + std::to_string(layout.kind) + " is not read in rows"};
  if (layout.max_value != 255 && layout.max_value != 65535) {
    return {nullptr, false, "its largest value is " + std::to_string(layout.max_value)};
  }
  const auto values = static_cast<uint64_t>(layout.width) * (layout.kind == 6 ? 3 : 1);
  const uint64_t row_bytes = values * (layout.max_value > 255 ? 2 : 1);
  const uint64_t present = (reader.size() - layout.data) / row_bytes;
  if (present < static_cast<uint64_t>(layout.height)) {
    fail_row(path, static_cast<int64_t>(present), layout.height, "the file ends");
  }
  return {std::make_unique<PnmRows>(path, layout), true, {}};
}

}  // namespace retentive::datasets::detail
