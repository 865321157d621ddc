#include <numeric>

#include <kernels/boxes_case.h>
#include <retention/kernels/boxes_reference.h>
#include <support/catch.h>

using namespace retentive::retention;
using namespace retentive::testing;

namespace {

using Values = std::vector<float>;
using Pixels = std::vector<uint8_t>;

Pixels paste(const PasteMasksProblem& p, const Values& masks, const Values& boxes, int threads) {
  Pixels out(p.count * p.height * p.width, 255);
  paste_masks(p, masks.data(), boxes.data(), out.data(), threads);
  return out;
}

Values random_masks(int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> value(0, 1);
  Values masks(count);
  for (float& x : masks) x = value(random);
  return masks;
}

}  // namespace

TEST_CASE("masks pasted by hand", "[boxes][paste]") {
  const PasteMasksProblem p{.count = 1, .mask_height = 2, .mask_width = 2, .height = 4, .width = 6};
  // One mask pixel to one pixel.
  CHECK(paste(p, {1, 0, 0.5f, 1}, {2, 1, 4, 3}, 1) ==
        Pixels{0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0});
  // One to two pixels: from column 1 on the samples along the row are 0.25, 0.75, 0.75, 0.25.
  auto row = p;
  row.mask_height = 1, row.height = 1, row.width = 8;
  const auto columns_at = [&](float threshold) {
    auto at = row;
    at.threshold = threshold;
    return paste(at, {1, 0}, {2, 0, 6, 1}, 1);
  };
  CHECK(columns_at(0.2f) == Pixels{0, 1, 1, 1, 1, 0, 0, 0});
  CHECK(columns_at(0.5f) == Pixels{0, 0, 1, 1, 0, 0, 0, 0});
  CHECK(columns_at(0.76f) == Pixels(8));
  // Further than a pixel from the box is 0, whatever the threshold.
  auto all = p;
  all.threshold = 0;
  const auto touched = paste(all, {1, 1, 1, 1}, {3, 1, 4, 2}, 1);
  CHECK(std::accumulate(touched.begin(), touched.end(), 0) == 9);
  CHECK(paste(all, {1, 1, 1, 1}, {3, 1, 3, 2}, 1) == Pixels(24));
  CHECK(paste(p, {1, 1, 1, 1}, {30, 1, 40, 2}, 1) == Pixels(24));
  CHECK(paste(p, {1, 1, 1, 1}, {-30, -10, -20, -2}, 1) == Pixels(24));
  CHECK(paste(p, {1, 1, 1, 1}, {-1e30f, -1e30f, 1e30f, 1e30f}, 1) == Pixels(24, 1));
  auto none = p;
  none.count = 0;
  CHECK(paste(none, {}, {}, 2).empty());
}

TEST_CASE("pasted masks equal the reference", "[boxes][paste]") {
  const int64_t sizes[][4] = {{1, 1, 1, 1}, {1, 1, 30, 40}, {28, 28, 97, 131}, {14, 9, 60, 33}};
  for (const auto& [mask_height, mask_width, height, width] : sizes) {
    PasteMasksProblem p{40, mask_height, mask_width, height, width};
    const auto masks = random_masks(p.count * mask_height * mask_width, 1);
    const auto boxes = random_boxes(p.count, 2, static_cast<float>(width));
    for (const float threshold : {0.1f, 0.5f, 0.8f}) {
      p.threshold = threshold;
      Pixels expected(p.count * height * width);
      paste_masks_reference(p, masks.data(), boxes.data(), expected.data());
      const auto out = paste(p, masks, boxes, 1);
      // A sample within a rounding of the threshold may fall on either side of it.
      int64_t different = 0;
      for (size_t i = 0; i < out.size(); ++i) different += out[i] != expected[i];
      CHECK(different <= std::ssize(out) / 100000);
      CHECK(*std::max_element(out.begin(), out.end()) <= 1);
      for (const int threads : {2, 3}) CHECK(paste(p, masks, boxes, threads) == out);
    }
  }
}
