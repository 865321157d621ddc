#include <cstring>

#include <kernels/boxes_case.h>
#include <kernels/random_values.h>
#include <retention/kernels/boxes_reference.h>
#include <support/catch.h>
#include <support/close.h>

using namespace retentive;
using namespace retentive::retention;
using namespace retentive::testing;

namespace {

using Values = std::vector<float>;

struct Case {
  RoiAlignProblem p;
  int64_t rois;

  int64_t features() const { return p.images * p.height * p.width * p.channels; }
  int64_t outputs() const { return rois * p.out_height * p.out_width * p.channels; }
  std::string name() const {
    return std::to_string(p.height) + "x" + std::to_string(p.width) + "x" + std::to_string(p.channels) + " to " +
           std::to_string(p.out_height) + "x" + std::to_string(p.out_width) + " sampling " +
           std::to_string(p.sampling_ratio);
  }
};

const std::vector<Case> kCases = {
    {{1, 1, 1, 1, 1, 1, 1.0f, 0}, 20},       {{1, 1, 9, 3, 2, 3, 0.5f, 0}, 20},
    {{2, 9, 1, 17, 3, 2, 0.25f, 0}, 20},     {{2, 25, 42, 16, 7, 7, 0.125f, 0}, 60},
    {{1, 50, 50, 64, 7, 7, 0.25f, 0}, 9},    {{3, 14, 14, 130, 14, 14, 0.07f, 0}, 9},
    {{1, 20, 30, 256, 7, 7, 0.125f, 0}, 12}, {{2, 20, 30, 40, 5, 3, 0.125f, 2}, 30},
    {{1, 20, 30, 8, 2, 2, 0.25f, 1}, 30},    {{1, 40, 40, 5, 1, 1, 1.0f, 3}, 30},
};

Values regions(const Case& test, uint64_t seed) {
  const auto boxes = random_boxes(test.rois, seed, static_cast<float>(test.p.height) / test.p.spatial_scale);
  Values rois;
  for (int64_t k = 0; k < test.rois; ++k) {
    rois.push_back(static_cast<float>(k * k % test.p.images));
    rois.insert(rois.end(), boxes.begin() + 4 * k, boxes.begin() + 4 * k + 4);
  }
  return rois;
}

template <class T>
std::vector<T> align(const RoiAlignProblem& p, const std::vector<T>& features, const Values& rois, int threads) {
  const auto count = static_cast<int64_t>(rois.size() / 5);
  std::vector<T> out(count * p.out_height * p.out_width * p.channels, T(NAN));
  REQUIRE(roi_align(p, features.data(), rois.data(), count, out.data(), threads));
  return out;
}

// A map whose value is 10 y + x.
Values ramp(int64_t height, int64_t width) {
  Values map(height * width);
  for (int64_t i = 0; i < height * width; ++i) map[i] = static_cast<float>(10 * (i / width) + i % width);
  return map;
}

}  // namespace

TEST_CASE("roi_align worked by hand", "[boxes][roi_align]") {
  const auto map = ramp(8, 8);
  const RoiAlignProblem one_bin{.height = 8, .width = 8, .out_height = 1, .out_width = 1};
  // The average over a region inside is the value at its centre, half a pixel up and left.
  CHECK(align(one_bin, map, {0, 2, 2, 6, 4}, 1)[0] == Approx(10 * 2.5 + 3.5));
  auto halved = one_bin;
  halved.spatial_scale = 0.5f;
  CHECK(align(halved, map, {0, 4, 4, 12, 8}, 1)[0] == Approx(10 * 2.5 + 3.5));
  const RoiAlignProblem four{.height = 8, .width = 8, .out_height = 2, .out_width = 2};
  const auto bins = align(four, map, {0, 1, 1, 5, 5}, 1);
  CHECK(deviation(bins, Values{10 * 1.5f + 1.5f, 10 * 1.5f + 3.5f, 10 * 3.5f + 1.5f, 10 * 3.5f + 3.5f}) < 1e-6);
  // Samples at -3.75 and -2.25 count as 0, that at -0.75 reads the edge's 0, and that at 0.75 reads 0.75.
  auto edge = one_bin;
  edge.sampling_ratio = 4;
  CHECK(align(edge, map, {0, -4, 0.5f, 2, 0.5f}, 1)[0] == Approx(0.75 / 4));
}

TEST_CASE("roi_align of degenerate regions", "[boxes][roi_align]") {
  const auto map = ramp(8, 8);
  const RoiAlignProblem p{.height = 8, .width = 8, .out_height = 2, .out_width = 2};
  CHECK(align(p, map, {}, 2).empty());
  const Values zeros(4);
  CHECK(align(p, map, {0, 3, 3, 3, 6}, 1) == zeros);
  CHECK(align(p, map, {0, 6, 6, 3, 3}, 1) == zeros);
  CHECK(align(p, map, {0, 50, 50, 60, 60}, 1) == zeros);
  CHECK(align(p, map, {0, -60, 2, -50, 4}, 1) == zeros);
  for (const float far : {1e6f, 1e9f, 1e20f, 3e38f}) {
    for (const float value : align(p, map, {0, -far, -far, far, far, 0, 0, 0, far, far}, 1)) {
      CHECK(std::isfinite(value));
      CHECK(std::abs(value) < 1);
    }
  }
  const RoiAlignProblem pixel{.channels = 3, .out_height = 2, .out_width = 2};
  CHECK(align(pixel, Values{4, 5, 6}, {0, 0, 0, 1, 1}, 1) == Values{4, 5, 6, 4, 5, 6, 4, 5, 6, 4, 5, 6});
}

TEST_CASE("roi_align equals the reference", "[boxes][roi_align]") {
  // The reference weighs samples in double; here each weight is rounded a few times.
  WorstDeviation worst("roi_align vs samples one by one, float32"), worst_bf16("the same, bf16 results");
  for (const auto& test : kCases) {
    const auto features = normal(test.features(), 3), rois = regions(test, 4);
    Values expected(test.outputs());
    roi_align_reference(test.p, features.data(), rois.data(), test.rois, expected.data());
    const auto out = align(test.p, features, rois, 1);
    CHECK(worst.add(test.name(), deviation(out, expected)) < 2e-5);
    for (const int threads : {2, 3}) CHECK(align(test.p, features, rois, threads) == out);

    const auto exact = rounded(features);
    roi_align_reference(test.p, exact.data(), rois.data(), test.rois, expected.data());
    const auto narrow = align(test.p, converted<bfloat16>(exact), rois, 2);
    CHECK(worst_bf16.add(test.name(), deviation(widened(narrow), expected)) < 1.0 / 256);
  }
}

TEST_CASE("the gradient of roi_align equals the reference", "[boxes][roi_align][grad]") {
  WorstDeviation worst("roi_align gradient vs samples one by one");
  for (const auto& test : kCases) {
    const auto dout = normal(test.outputs(), 5), rois = regions(test, 6), before = normal(test.features(), 7);
    auto expected = before;
    roi_align_backward_reference(test.p, dout.data(), rois.data(), test.rois, expected.data());
    Values first;
    for (const int threads : {1, 2, 3}) {
      auto gradient = before;
      REQUIRE(roi_align_backward(test.p, dout.data(), rois.data(), test.rois, gradient.data(), threads));
      CHECK(worst.add(test.name(), deviation(gradient, expected)) < 2e-5);
      if (threads == 1) first = gradient;
      CHECK(gradient == first);
    }
    CHECK(first != before);
  }
}
