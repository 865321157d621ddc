#include <gif_lib.h>

#include <algorithm>
#include <memory>

#include <datasets/detail/byte_reader.h>
#include <datasets/detail/decoders.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {

namespace {

struct Source {
  std::span<const uint8_t> bytes;
  size_t position = 0;

  static int read(GifFileType* gif, GifByteType* out, int count) {
    auto& self = *static_cast<Source*>(gif->UserData);
    const size_t present = std::min<size_t>(static_cast<size_t>(count), self.bytes.size() - self.position);
    std::copy_n(self.bytes.data() + self.position, present, out);
    self.position += present;
    return static_cast<int>(present);
  }
};

struct CloseGif {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};

/// Reads up to the next image; false at the end or at damage. What stands in between may name a transparent index.
bool find_image(GifFileType* gif, int& transparent) {
  GifRecordType record = UNDEFINED_RECORD_TYPE;
  while (DGifGetRecordType(gif, &record) == GIF_OK) {
    if (record == IMAGE_DESC_RECORD_TYPE) return DGifGetImageDesc(gif) == GIF_OK;
    if (record != EXTENSION_RECORD_TYPE) return false;
    int code = 0;
    GifByteType* block = nullptr;
    if (DGifGetExtension(gif, &code, &block) != GIF_OK) return false;
    while (block) {
      GraphicsControlBlock control;
      if (code == GRAPHICS_EXT_FUNC_CODE && DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK) {
        transparent = control.TransparentColor;
      }
      if (DGifGetExtensionNext(gif, &block) != GIF_OK) return false;
    }
  }
  return false;
}

/// The rows of a frame in the order in which they are stored.
std::vector<int> row_order(int height, bool interlaced) {
  std::vector<int> order;
  if (!interlaced) {
    for (int y = 0; y < height; ++y) order.push_back(y);
    return order;
  }
  constexpr int kPasses[][2] = {{0, 8}, {4, 8}, {2, 4}, {1, 2}};
  for (const auto& [first, step] : kPasses) {
    for (int y = first; y < height; y += step) order.push_back(y);
  }
  return order;
}

void put_row(const std::vector<GifPixelType>& row, const ColorMapObject& map, int transparent, int64_t at,
             Decoded& decoded) {
  for (size_t x = 0; x < row.size(); ++x) {
    const GifColorType colour = row[x] < map.ColorCount ? map.Colors[row[x]] : GifColorType{0, 0, 0};
    uint8_t* out = decoded.colour.pixels.data() + 3 * (at + static_cast<int64_t>(x));
    out[0] = colour.Red, out[1] = colour.Green, out[2] = colour.Blue;
    decoded.alpha.pixels[at + static_cast<int64_t>(x)] = row[x] == transparent ? 0 : 255;
  }
}

}  // namespace

Decoded decode_gif(std::span<const uint8_t> bytes, const ImageHeader& header, const std::string& name) {
  const ByteReader reader(bytes, name);
  Source source{bytes};
  int error = 0, transparent = NO_TRANSPARENT_COLOR;
  const std::unique_ptr<GifFileType, CloseGif> gif(DGifOpen(&source, Source::read, &error));
  if (!gif || !find_image(gif.get(), transparent)) reader.fail("is a damaged GIF without an image; replace it");
  const GifImageDesc frame = gif->Image;
  const ColorMapObject* map = frame.ColorMap ? frame.ColorMap : gif->SColorMap;
  if (!map) reader.fail("is a GIF without a colour table; save it anew");
  if (frame.Left + frame.Width > header.width || frame.Top + frame.Height > header.height || frame.Width < 1) {
    reader.fail("is a damaged GIF: its first frame lies outside of its canvas; replace it");
  }
  Decoded decoded = make_decoded(header, true);
  std::fill(decoded.alpha.pixels.begin(), decoded.alpha.pixels.end(), 0);  // what the first frame does not cover
  std::vector<GifPixelType> row(static_cast<size_t>(frame.Width));
  for (const int y : row_order(frame.Height, frame.Interlace)) {
    if (DGifGetLine(gif.get(), row.data(), frame.Width) != GIF_OK) {
      reader.fail("is truncated or damaged: the GIF's first frame ends early; replace it by an intact copy");
    }
    put_row(row, *map, transparent, (frame.Top + y) * header.width + frame.Left, decoded);
  }
  if (find_image(gif.get(), transparent)) decoded.notes.push_back("is an animated GIF; its first frame was read");
  if (std::all_of(decoded.alpha.pixels.begin(), decoded.alpha.pixels.end(), [](uint8_t a) { return a == 255; })) {
    decoded.alpha.pixels.clear();
  }
  return decoded;
}

}  // namespace retentive::datasets::detail
