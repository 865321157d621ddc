#include <algorithm>
#include <array>
#include <bit>

#include <datasets/detail/byte_reader.h>
#include <datasets/detail/decoders.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {

namespace {

enum Compression : uint32_t { kRgb = 0, kRle8 = 1, kRle4 = 2, kMasks = 3, kMasksWithAlpha = 6 };

/// What the headers say besides the size.
struct Layout {
  uint64_t pixels = 0;
  uint32_t bits = 0;
  uint32_t compression = kRgb;
  bool top_down = false;
  std::array<uint32_t, 4> masks = {};           ///< red, green, blue, alpha
  std::vector<std::array<uint8_t, 3>> palette;  ///< RGB

  uint64_t row_bytes(int64_t width) const { return (static_cast<uint64_t>(width) * bits + 31) / 32 * 4; }
};

void read_masks(ByteReader& reader, uint32_t header_size, Layout& layout) {
  if (layout.compression == kMasks || layout.compression == kMasksWithAlpha) {
    const bool alpha = layout.compression == kMasksWithAlpha || header_size >= 56;
    for (uint64_t i = 0; i < (alpha ? 4 : 3); ++i) layout.masks[i] = reader.u32(54 + 4 * i, true);
  } else if (layout.bits == 16) {
    layout.masks = {0x7c00, 0x03e0, 0x001f, 0};
  } else {
    layout.masks = {0xff0000, 0x00ff00, 0x0000ff, 0};
  }
}

void read_palette(ByteReader& reader, uint32_t header_size, Layout& layout) {
  const bool core = header_size == 12;
  const uint32_t entry = core ? 3 : 4;
  const uint64_t begin = 14 + uint64_t{header_size};
  uint64_t count = uint64_t{1} << layout.bits;
  const uint32_t used = core ? 0 : reader.u32(46, true);
  if (used != 0) count = std::min<uint64_t>(count, used);
  if (layout.pixels > begin) count = std::min(count, (layout.pixels - begin) / entry);
  for (uint64_t i = 0; i < count; ++i) {
    const auto colour = reader.at(begin + i * entry, 3);
    layout.palette.push_back({colour[2], colour[1], colour[0]});
  }
}

Layout read_layout(ByteReader& reader) {
  const uint32_t header_size = reader.u32(14, true);
  const bool core = header_size == 12;
  Layout layout;
  layout.pixels = reader.u32(10, true);
  layout.bits = reader.u16(core ? 24 : 28, true);
  layout.top_down = !core && static_cast<int32_t>(reader.u32(22, true)) < 0;
  layout.compression = core ? kRgb : reader.u32(30, true);
  const bool runs = layout.compression == kRle8 || layout.compression == kRle4;
  const bool masks = layout.compression == kMasks || layout.compression == kMasksWithAlpha;
  const bool fits = layout.compression == kRgb || (layout.compression == kRle8 && layout.bits == 8) ||
                    (layout.compression == kRle4 && layout.bits == 4) ||
                    (masks && header_size != 64 && (layout.bits == 16 || layout.bits == 32));
  if (!fits || (runs && layout.top_down)) {
    reader.fail("is a BMP of compression " + std::to_string(layout.compression) + " with " +
                std::to_string(layout.bits) +
                " bits a pixel; none, run lengths of 4 and 8 bits, and masks of 16 and "
                "32 bits are accepted: convert it to PNG");
  }
  if (layout.bits <= 8 && std::has_single_bit(layout.bits)) {
    read_palette(reader, header_size, layout);
  } else if (layout.bits == 16 || layout.bits == 24 || layout.bits == 32) {
    read_masks(reader, header_size, layout);
  } else {
    reader.fail("is a BMP of " + std::to_string(layout.bits) +
                " bits a pixel; 1, 2, 4, 8, 16, 24 and 32 are "
                "accepted: convert it to PNG");
  }
  return layout;
}

uint8_t masked(uint32_t pixel, uint32_t mask) {
  if (mask == 0) return 0;
  const int shift = std::countr_zero(mask);
  return to_byte((pixel & mask) >> shift, mask >> shift);
}

class BmpDecoder {
 public:
  BmpDecoder(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name)
      : bytes_(bytes),
        reader_(bytes, name),
        layout_(read_layout(reader_)),
        decoded_(make_decoded(header, layout_.palette.empty() && layout_.masks[3] != 0)),
        width_(header.width),
        height_(header.height) {}

  Decoded run() {
    if (layout_.compression == kRle8 || layout_.compression == kRle4) {
      read_runs();
    } else {
      for (int64_t y = 0; y < height_; ++y) read_row(y);
    }
    return std::move(decoded_);
  }

 private:
  int64_t pixel_at(int64_t y, int64_t x) const { return (layout_.top_down ? y : height_ - 1 - y) * width_ + x; }

  void put_index(int64_t pixel, uint32_t index) {
    if (index >= layout_.palette.size()) {
      reader_.fail("is a damaged BMP: a pixel has colour " + std::to_string(index) + " of " +
                   std::to_string(layout_.palette.size()) + "; replace it by an intact copy");
    }
    std::copy_n(layout_.palette[index].data(), 3, decoded_.colour.pixels.data() + 3 * pixel);
  }

  void put_masked(int64_t pixel, uint32_t value) {
    for (size_t c = 0; c < 3; ++c) decoded_.colour.pixels[3 * pixel + c] = masked(value, layout_.masks[c]);
    if (decoded_.has_alpha()) decoded_.alpha.pixels[pixel] = masked(value, layout_.masks[3]);
  }

  void read_row(int64_t y) {
    const uint8_t* row = bytes_.data() + layout_.pixels + static_cast<uint64_t>(y) * layout_.row_bytes(width_);
    const uint32_t bits = layout_.bits, bytes = bits / 8;
    for (int64_t x = 0; x < width_; ++x) {
      const uint64_t bit = static_cast<uint64_t>(x) * bits;
      if (bits <= 8) {
        put_index(pixel_at(y, x), row[bit / 8] >> (8 - bits - bit % 8) & ((1u << bits) - 1));
        continue;
      }
      uint32_t value = 0;
      for (uint32_t i = 0; i < bytes; ++i) value |= uint32_t{row[bit / 8 + i]} << 8 * i;
      put_masked(pixel_at(y, x), value);
    }
  }

  /// Colour `i` of a run's or literal's bytes.
  uint32_t index_of(uint64_t position, int64_t i) {
    if (layout_.bits == 8) return reader_.u8(position + static_cast<uint64_t>(i));
    return reader_.u8(position + static_cast<uint64_t>(i) / 2) >> (i % 2 ? 0 : 4) & 15;
  }

  /// Pixels that runs jump over keep the first colour.
  void read_runs() {
    for (int64_t i = 0; i < width_ * height_; ++i) put_index(i, 0);
    uint64_t position = layout_.pixels;
    int64_t x = 0, y = 0;
    const auto put = [&](uint32_t index) {
      if (x < width_ && y < height_) put_index(pixel_at(y, x++), index);
    };
    while (true) {
      const int64_t count = reader_.u8(position), value = reader_.u8(position + 1);
      position += 2;
      if (count > 0) {
        for (int64_t i = 0; i < count; ++i) put(index_of(position - 1, layout_.bits == 8 ? 0 : i % 2));
      } else if (value == 0) {
        x = 0, ++y;
      } else if (value == 1) {
        return;
      } else if (value == 2) {
        x += reader_.u8(position), y += reader_.u8(position + 1);
        position += 2;
      } else {
        for (int64_t i = 0; i < value; ++i) put(index_of(position, i));
        position += static_cast<uint64_t>(layout_.bits == 8 ? value + value % 2 : (value + 3) / 4 * 2);
      }
      if (y >= height_) return;  // some writers leave the end mark out
    }
  }

  std::span<const uint8_t> bytes_;
  ByteReader reader_;
  Layout layout_;
  Decoded decoded_;
  int64_t width_, height_;
};

}  // namespace

Decoded decode_bmp(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name) {
  return BmpDecoder(bytes, header, name).run();
}

}  // namespace retentive::datasets::detail
