#include <datasets/files.h>
#include <datasets/image_header.h>
#include <datasets/image_io.h>
#include <datasets/mutate.h>
#include <datasets/random.h>
#include <support/catch.h>

namespace retentive::datasets {

namespace {

const char* const kSeeds[] = {
    "exif_6.jpg",   "progressive.jpg",    "cmyk.jpg",   "exif_6.png",  "palette_transparent.png",
    "rgb16.png",    "exif_8.webp",        "lossy.webp", "alpha.webp",  "exif_5.tif",
    "deflate.tif",  "alpha.tif",          "rgb.bmp",    "palette.bmp", "rgb.ppm",
    "bits.pbm.pnm", "grey_big_endian.tif"};

/// Counts what decoded; anything thrown but DataError escapes and fails the test.
int run_mutations(int per_seed, uint64_t seed) {
  Rng rng(seed);
  int decoded = 0;
  for (const char* name : kSeeds) {
    const auto whole = testing::read_bytes(testing::image_fixture(name));
    for (int i = 0; i < per_seed; ++i) {
      INFO(name << " mutation " << i);
      try {
        const Image image = decode_image(testing::mutate(whole, rng), name, {.max_pixels = 1'000'000});
        REQUIRE(static_cast<int64_t>(image.pixels.size()) == image.height * image.width * 3);
        REQUIRE(image.height * image.width <= 1'000'000);
        ++decoded;
      } catch (const DataError& error) {
        REQUIRE(std::string(error.what()).starts_with("[image] "));
      }
    }
  }
  return decoded;
}

}  // namespace

TEST_CASE("mutated images decode or throw DataError", "[datasets]") {
  const int decoded = run_mutations(40, 11);
  CHECK(decoded > 40);   // mutations of pixel data pass
  CHECK(decoded < 640);  // and of headers do not
}

TEST_CASE("many mutated images decode or throw DataError", "[datasets][slow]") {
  CHECK(run_mutations(3000, 12) > 3000);
}

TEST_CASE("noise behind a signature is refused", "[datasets]") {
  Rng rng(3);
  const std::string signatures[] = {"\xff\xd8\xff",
                                    "\x89PNG\r\n\x1a\n",
                                    "RIFF    WEBPVP8X",
                                    std::string("II*\0\x08\0\0\0", 8),
                                    std::string("MM\0*\0\0\0\x08", 8),
                                    "BM",
                                    "P6 ",
                                    "P3 4 4 255 "};
  for (const std::string& signature : signatures) {
    for (int i = 0; i < 200; ++i) {
      std::vector<uint8_t> bytes(signature.begin(), signature.end());
      const int64_t size = uniform_below(rng, 300);
      for (int64_t k = 0; k < size; ++k) bytes.push_back(static_cast<uint8_t>(rng()));
      CHECK_THROWS_AS(decode_image(bytes, "noise", {.max_pixels = 1'000'000}), DataError);
    }
  }
}

}  // namespace retentive::datasets
