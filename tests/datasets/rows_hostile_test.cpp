#include <fstream>

#include <datasets/files.h>
#include <datasets/mutate.h>
#include <datasets/row_files.h>
#include <datasets/row_reader.h>
#include <support/catch.h>

namespace retentive::datasets {

using Catch::Contains;
using testing::message_of;
using testing::read_bytes;
using testing::row_value;
using testing::TemporaryFolder;
using testing::write_bytes;

namespace {

/// Rows, one at a time, until the end or the first error, whose message is returned; "" when all came.
/// What came before an error must be `whole`'s rows.
std::string read_until_error(const std::filesystem::path& path, const Image& whole) {
  return message_of<DataError>([&] {
    const OpenedRows opened = open_rows(path);
    std::vector<uint8_t> row(static_cast<size_t>(whole.width * 3));
    for (int64_t y = 0; y < whole.height; ++y) {
      opened.rows->read(1, row.data());
      REQUIRE(std::equal(row.begin(), row.end(), whole.pixels.begin() + y * whole.width * 3));
    }
  });
}

void write_seeds(const TemporaryFolder& folder) {
  testing::write_png_file(folder / "rgb.png", {.height = 23, .width = 31});
  testing::write_png_file(folder / "palette.png", {.height = 23, .width = 31, .colour_type = 3, .depth = 4});
  testing::write_png_file(folder / "alpha.png", {.height = 23, .width = 31, .colour_type = 6, .depth = 16});
  testing::write_tiff_file(folder / "plain.tif", {.height = 23, .width = 31});
  testing::write_tiff_file(folder / "lzw.tif", {.height = 23, .width = 31, .compression = 5, .predictor = 2});
  testing::write_tiff_file(folder / "deflate.tif", {.height = 23, .width = 31, .samples = 1, .compression = 8});
  testing::write_tiff_file(folder / "big.tif", {.height = 23, .width = 31, .compression = 32773, .mode = "w8"});
  write_image(folder / "rgb.ppm", testing::noise_image(23, 31, 3, 5));
  write_image(folder / "grey.pgm", testing::noise_image(23, 31, 1, 6));
}

constexpr const char* kSeeds[] = {"rgb.png",     "palette.png", "alpha.png", "plain.tif", "lzw.tif",
                                  "deflate.tif", "big.tif",     "rgb.ppm",   "grey.pgm"};

/// Counts what was read to the end; anything thrown but DataError escapes and fails the test.
int run_mutations(int per_seed, uint64_t seed) {
  const TemporaryFolder folder;
  write_seeds(folder);
  Rng rng(seed);
  int finished = 0;
  for (const char* name : kSeeds) {
    const auto whole = read_bytes(folder / name);
    for (int i = 0; i < per_seed; ++i) {
      INFO(name << " mutation " << i);
      write_bytes(folder / "mutated", testing::mutate(whole, rng));
      try {
        const OpenedRows opened = open_rows(folder / "mutated", {.max_pixels = 1'000'000});
        if (opened.rows->width() > 1'000'000) continue;
        std::vector<uint8_t> row(static_cast<size_t>(opened.rows->width() * 3));
        for (int64_t y = 0; y < opened.rows->height(); ++y) opened.rows->read(1, row.data());
        ++finished;
      } catch (const DataError& error) {
        REQUIRE(std::string(error.what()).starts_with("[image] "));
      }
    }
  }
  return finished;
}

int64_t resident_bytes() {
  int64_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

/// Reads to the end in bands of 64 rows, checks each row's value, returns the largest growth of resident memory.
int64_t growth_of_reading(const std::filesystem::path& path, int64_t height, int64_t width) {
  constexpr int64_t kBand = 64;
  std::vector<uint8_t> band(static_cast<size_t>(kBand * width * 3), 1);
  const int64_t before = resident_bytes();
  int64_t growth = 0;
  const OpenedRows opened = open_rows(path);
  REQUIRE(opened.streamed);
  REQUIRE(opened.rows->height() == height);
  for (int64_t y = 0; y < height; y += kBand) {
    opened.rows->read(kBand, band.data());
    growth = std::max(growth, resident_bytes() - before);
    for (int64_t i = 0; i < kBand; ++i) {
      const auto* row = band.data() + i * width * 3;
      if (row[0] != row_value(y + i) || row[3 * width - 1] != row_value(y + i)) FAIL("row " << y + i);
    }
  }
  return growth;
}

}  // namespace

TEST_CASE("a picture cut anywhere ends in a DataError after intact rows", "[datasets][rows]") {
  const TemporaryFolder folder;
  write_seeds(folder);
  for (const char* name : kSeeds) {
    const auto bytes = read_bytes(folder / name);
    Image whole{23, 31, 3, std::vector<uint8_t>(23 * 31 * 3)};
    open_rows(folder / name).rows->read(23, whole.pixels.data());
    const size_t step = std::max<size_t>(1, bytes.size() / 41);
    for (size_t size = 1; size < bytes.size(); size += step) {
      INFO(name << " cut to " << size << " of " << bytes.size());
      write_bytes(folder / "cut", {bytes.begin(), bytes.begin() + static_cast<int64_t>(size)});
      CHECK_THAT(read_until_error(folder / "cut", whole), Catch::StartsWith("[image] "));
    }
  }
}

TEST_CASE("damage names file and row", "[datasets][rows]") {
  const TemporaryFolder folder;
  write_seeds(folder);
  const Image whole = decode_image(folder / "rgb.ppm");
  auto ppm = read_bytes(folder / "rgb.ppm");
  ppm.resize(ppm.size() - 2 * 31 * 3 - 1);
  write_bytes(folder / "cut.ppm", ppm);
  CHECK_THAT(read_until_error(folder / "cut.ppm", whole), Contains("cut.ppm") && Contains("at row 20 of 23"));
  auto tiff = read_bytes(folder / "plain.tif");
  const Image plain = decode_image(folder / "plain.tif");
  const uint8_t row_8[] = {plain.pixels[8 * 93], plain.pixels[8 * 93 + 1], plain.pixels[8 * 93 + 2]};
  const auto strip_2 = std::search(tiff.begin(), tiff.end(), row_8, row_8 + 3);
  tiff.erase(strip_2 + 100, tiff.end());  // the directory of this writer goes last
  write_bytes(folder / "cut.tif", tiff);
  CHECK_THAT(read_until_error(folder / "cut.tif", plain), Contains("cut.tif"));
  auto png = read_bytes(folder / "rgb.png");
  png[png.size() - 14] ^= 1;  // checksum of the pixels
  write_bytes(folder / "sum.png", png);
  CHECK_THAT(read_until_error(folder / "sum.png", decode_image(folder / "rgb.png")),
             Contains("sum.png") && Contains("at row 22 of 23") && Contains("CRC"));
  png = read_bytes(folder / "rgb.png");
  std::fill(png.begin() + static_cast<int64_t>(png.size() / 2), png.end() - 16, 0);
  write_bytes(folder / "zero.png", png);
  const OpenedRows opened = open_rows(folder / "zero.png");
  std::vector<uint8_t> out(23 * 93);
  CHECK_THAT(message_of<DataError>([&] { opened.rows->read(23, out.data()); }), Contains("zero.png"));
  CHECK_THROWS_AS(opened.rows->read(1, out.data()), StateError);
}

TEST_CASE("headers that lie about the size take no memory", "[datasets][rows]") {
  const TemporaryFolder folder;
  const auto refusal = [&](const std::vector<uint8_t>& bytes) {
    write_bytes(folder / "x", bytes);
    const int64_t before = resident_bytes();
    const std::string message = message_of<DataError>([&] { open_rows(folder / "x"); });
    CHECK(resident_bytes() - before < 16 << 20);
    return message;
  };
  const std::string ppm = "P6 2147483647 2147483647 65535\nabc", wide = "P5 2147483648 1 255\nabc";
  CHECK_THAT(refusal({ppm.begin(), ppm.end()}), Contains("at row 0 of 2147483647"));
  CHECK_THAT(refusal({wide.begin(), wide.end()}), Contains("longer than 2147483647"));
  testing::write_png_file(folder / "a.png", {.height = 2, .width = 2});
  auto png = read_bytes(folder / "a.png");
  const uint8_t size[] = {0x7f, 0xff, 0xff, 0xff};
  std::copy(size, size + 4, png.begin() + 16);
  CHECK_THAT(refusal(png), Contains("cannot hold 2 rows of 6442450942"));
  for (const int compression : {1, 5}) {
    testing::write_tiff_file(folder / "a.tif", {.height = 2, .width = 2, .compression = compression});
    auto tiff = read_bytes(folder / "a.tif");
    const uint8_t width_tag[] = {0, 1, 3, 0, 1, 0, 0, 0}, as_long[] = {0, 1, 4, 0, 1, 0, 0, 0, 255, 255, 255, 127};
    const auto tag = std::search(tiff.begin(), tiff.end(), width_tag, width_tag + 8);
    REQUIRE(tag != tiff.end());
    std::copy(as_long, as_long + 12, tag);
    CHECK_THAT(refusal(tiff), Contains("truncated or damaged"));
  }
}

TEST_CASE("memory of streaming does not grow with the height", "[datasets][rows]") {
  constexpr int64_t kSide = 8192;  // 201 MB of pixels
  const TemporaryFolder folder;
  testing::write_striped_png(folder / "tall.png", kSide, kSide);
  CHECK(growth_of_reading(folder / "tall.png", kSide, kSide) < 4 << 20);
  {
    std::ofstream file(folder / "tall.ppm", std::ios::binary);
    file << "P6\n" << kSide << " " << kSide << "\n255\n";
    for (int64_t y = 0; y < kSide; ++y) {  // holes where nothing is written
      const int64_t row = file.tellp();
      file.put(static_cast<char>(row_value(y)));
      file.seekp(row + 3 * kSide - 1).put(static_cast<char>(row_value(y)));
    }
  }
  CHECK(growth_of_reading(folder / "tall.ppm", kSide, kSide) < 4 << 20);
}

TEST_CASE("mutated pictures are read in rows or throw DataError", "[datasets][rows]") {
  const int finished = run_mutations(40, 21);
  CHECK(finished > 60);
  CHECK(finished < 340);
}

TEST_CASE("many mutated pictures are read in rows or throw DataError", "[datasets][rows][slow]") {
  CHECK(run_mutations(3000, 22) > 3000);
}

}  // namespace retentive::datasets
