#include <vector>

#include <datasets/detail/decoders.h>
#include <datasets/detail/header_formats.h>
#include <datasets/detail/row_formats.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {

namespace {

class PnmRows final : public vision::RowSource {
 public:
  PnmRows(ByteReader reader, const PnmLayout& layout)
      : RowSource(layout.height, layout.width, 3),
        reader_(std::move(reader)),
        layout_(layout),
        position_(layout.data),
        values_(layout.width * (layout.kind % 3 == 0 ? 3 : 1)) {}

 private:
  void read_rows(int64_t rows, uint8_t* out) override {
    for (int64_t i = 0; i < rows; ++i, out += width() * 3) {
      uint8_t* const values = out + width() * 3 - values_;  // grey lies where spreading it overwrites no unread value
      const int64_t row = next_row() + i;
      if (layout_.kind < 4) {
        for (int64_t k = 0; k < values_; ++k) values[k] = text_value(row);
      } else if (layout_.kind == 4) {
        read_bits(values, row);
      } else {
        read_numbers(values, row);
      }
      if (values != out) spread_grey(values, width(), out);
    }
  }

  uint8_t scaled(uint32_t value, int64_t row) const {
    if (value > layout_.max_value) {
      fail_row(reader_.name(), row, height(),
               "a value is " + std::to_string(value) + " where the largest is " + std::to_string(layout_.max_value));
    }
    return to_byte(value, static_cast<uint32_t>(layout_.max_value));
  }

  uint8_t text_value(int64_t row) {
    const auto number = read_pnm_number(reader_, position_, layout_.kind == 1 ? 1 : 10);
    if (!number) fail_row(reader_.name(), row, height(), "the file ends or holds no number");
    const uint8_t value = scaled(*number, row);
    return layout_.kind == 1 ? 255 - value : value;
  }

  void read_bits(uint8_t* out, int64_t row) {
    read_packed(static_cast<size_t>((values_ + 7) / 8), row);
    for (int64_t k = 0; k < values_; ++k) out[k] = packed_[k / 8] >> (7 - k % 8) & 1 ? 0 : 255;
  }

  void read_numbers(uint8_t* out, int64_t row) {
    const bool wide = layout_.max_value > 255;
    read_packed(static_cast<size_t>(wide ? 2 * values_ : values_), row);
    for (int64_t k = 0; k < values_; ++k) {
      out[k] = scaled(wide ? packed_[2 * k] << 8 | packed_[2 * k + 1] : packed_[k], row);
    }
  }

  void read_packed(size_t bytes, int64_t row) {
    packed_.resize(bytes);
    if (reader_.copy(position_, packed_.data(), bytes) != bytes) {
      fail_row(reader_.name(), row, height(), "the file ends or cannot be read");
    }
    position_ += bytes;
  }

  ByteReader reader_;
  PnmLayout layout_;
  uint64_t position_;
  int64_t values_;  ///< in a row
  std::vector<uint8_t> packed_;
};

}  // namespace

OpenedRows open_pnm_rows(const std::filesystem::path& path) {
  ByteReader reader(path);
  const PnmLayout layout = read_pnm_layout(reader);
  if (layout.kind < 5) return {nullptr, false, "PNM of kind P" + std::to_string(layout.kind) + " is not read in rows"};
  const auto values = static_cast<uint64_t>(layout.width) * (layout.kind == 6 ? 3 : 1);
  const uint64_t row_bytes = values * (layout.max_value > 255 ? 2 : 1);
  const uint64_t present = (reader.size() - layout.data) / row_bytes;
  if (present < static_cast<uint64_t>(layout.height)) {
    fail_row(path, static_cast<int64_t>(present), layout.height, "the file ends");
  }
  return {std::make_unique<PnmRows>(std::move(reader), layout), true, {}};
}

Decoded decode_pnm(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name) {
  ByteReader reader(bytes, name);
  const PnmLayout layout = read_pnm_layout(reader);
  Decoded decoded = make_decoded(header, false);
  PnmRows(std::move(reader), layout).read(header.height, decoded.colour.pixels.data());
  return decoded;
}

}  // namespace retentive::datasets::detail
