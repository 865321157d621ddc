#include <cmath>
#include <numeric>

#include <kernels/boxes_case.h>
#include <retention/kernels/boxes.h>
#include <retention/kernels/boxes_reference.h>
#include <support/catch.h>

using namespace retentive::retention;
using namespace retentive::testing;

namespace {

using Values = std::vector<float>;
using Indices = std::vector<int64_t>;

Values overlaps(const Values& a, const Values& b, BoxOverlap overlap, int threads) {
  const auto rows = static_cast<int64_t>(a.size() / 4), columns = static_cast<int64_t>(b.size() / 4);
  Values out(rows * columns, NAN);
  pairwise_iou(a.data(), rows, b.data(), columns, overlap, out.data(), threads);
  return out;
}

Indices suppress(const Values& boxes, const Values& scores, float threshold, int threads) {
  Indices kept(scores.size(), -1);
  kept.resize(nms(boxes.data(), scores.data(), std::ssize(scores), threshold, kept.data(), threads));
  return kept;
}

Indices suppress(const Values& boxes, const Values& scores, const Indices& ids, float threshold, int threads) {
  Indices kept(scores.size(), -1);
  kept.resize(
      batched_nms(boxes.data(), scores.data(), ids.data(), std::ssize(scores), threshold, kept.data(), threads));
  return kept;
}

}  // namespace

TEST_CASE("overlaps of boxes worked by hand", "[boxes]") {
  // 10 x 10; its right half; 10 x 10 moved by (5, 5); a point; a line; elsewhere, touching a corner.
  const Values a{0, 0, 10, 10};
  const Values b{0, 0, 10, 10, 5, 0, 10, 10, 5, 5, 15, 15, 3, 3, 3, 3, 2, 0, 2, 10, 10, 10, 12, 12};
  CHECK(overlaps(a, b, BoxOverlap::iou, 1) == Values{1, 0.5f, 25.0f / 175, 0, 0, 0});
  CHECK(overlaps(b, a, BoxOverlap::iof, 1) == Values{1, 1, 0.25f, 0, 0, 0});
  CHECK(overlaps(a, b, BoxOverlap::iof, 1) == Values{1, 0.5f, 0.25f, 0, 0, 0});
  const Values degenerate{3, 3, 3, 3, 0, 0, 1e30f, 1e30f, 5, 5, 2, 2};
  for (const auto overlap : {BoxOverlap::iou, BoxOverlap::iof}) {
    for (const float value : overlaps(degenerate, degenerate, overlap, 1)) CHECK_FALSE(std::isnan(value));
    CHECK(overlaps(degenerate, degenerate, overlap, 1)[0] == 0);
  }
}

TEST_CASE("overlaps of boxes equal the reference", "[boxes]") {
  const std::pair<int64_t, int64_t> sizes[] = {{0, 5}, {5, 0}, {1, 1}, {3, 700}, {700, 3}, {33, 1025}, {1, 4099}};
  for (const auto& [rows, columns] : sizes) {
    const auto a = random_boxes(rows, 1), b = random_boxes(columns, 2);
    for (const auto overlap : {BoxOverlap::iou, BoxOverlap::iof}) {
      Values expected(rows * columns, NAN);
      pairwise_iou_reference(a.data(), rows, b.data(), columns, overlap, expected.data());
      for (const int threads : {1, 2, 3}) CHECK(overlaps(a, b, overlap, threads) == expected);
    }
  }
}

TEST_CASE("suppression worked by hand", "[boxes]") {
  // The second overlaps the first by 0.5, the third the second by 0.6 and the first by 1/7.
  const Values boxes{0, 0, 10, 10, 0, 0, 10, 5, 0, 2, 10, 5, 20, 20, 30, 30};
  CHECK(suppress(boxes, {0.9f, 0.8f, 0.7f, 0.1f}, 0.4f, 1) == Indices{0, 2, 3});
  CHECK(suppress(boxes, {0.9f, 0.8f, 0.7f, 0.1f}, 0.5f, 1) == Indices{0, 1, 3});
  CHECK(suppress(boxes, {0.7f, 0.8f, 0.6f, 0.9f}, 0.55f, 1) == Indices{3, 1, 0});
  CHECK(suppress(boxes, {0.9f, 0.8f, 0.7f, 0.1f}, 1, 1) == Indices{0, 1, 2, 3});
  CHECK(suppress(boxes, {-1, -2, -INFINITY, INFINITY}, 0.4f, 1) == Indices{3, 0, 2});
  const Values same{1, 1, 5, 5, 1, 1, 5, 5, 1, 1, 5, 5};
  CHECK(suppress(same, {0.5f, 0.5f, 0.5f}, 0.9f, 1) == Indices{0});
  CHECK(suppress(same, {-0.0f, 0.0f, 0.0f}, 0.9f, 1) == Indices{0});
  CHECK(suppress(same, {0.0f, -0.0f, 0.1f}, 1, 1) == Indices{2, 0, 1});
  CHECK(suppress(same, {0.1f, 0.3f, 0.2f}, {4, -7, 4}, 0.5f, 1) == Indices{1, 2});
  CHECK(suppress({2, 2, 2, 2, 2, 2, 2, 2}, {1, 1}, 0, 1) == Indices{0, 1});
  CHECK(suppress({}, {}, 0.5f, 2).empty());
  CHECK(suppress({}, {}, Indices{}, 0.5f, 2).empty());
}

TEST_CASE("suppression equals the reference", "[boxes]") {
  for (const int64_t count : {1, 2, 63, 127, 128, 129, 400, 3000}) {
    const auto boxes = random_boxes(count, count), scores = random_scores(count, count + 1);
    for (const float threshold : {0.0f, 0.3f, 0.5f, 0.7f, 1.0f}) {
      Indices expected(count);
      expected.resize(nms_reference(boxes.data(), scores.data(), count, threshold, expected.data()));
      CHECK(expected.size() > 0);
      for (const int threads : {1, 2, 3}) CHECK(suppress(boxes, scores, threshold, threads) == expected);
    }
  }
}

TEST_CASE("suppression is the same on any number of threads", "[boxes]") {
  // As many as are shared out; few suppress each other.
  constexpr int64_t kCount = 40000;
  const auto boxes = random_boxes(kCount, 3, 20000, 20000), scores = random_scores(kCount, 4);
  const auto one = suppress(boxes, scores, 0.5f, 1);
  CHECK(one.size() > 10000);
  CHECK(one.size() < kCount);
  for (const int threads : {2, 3}) CHECK((suppress(boxes, scores, 0.5f, threads) == one));
}

TEST_CASE("suppression by class equals the reference", "[boxes]") {
  for (const int64_t classes : {1, 2, 5, 80}) {
    constexpr int64_t kCount = 2500;
    const auto boxes = random_boxes(kCount, classes), scores = random_scores(kCount, 7);
    Indices ids(kCount), expected(kCount);
    for (int64_t i = 0; i < kCount; ++i) ids[i] = (i * i + i / 3) % classes - 1;
    expected.resize(batched_nms_reference(boxes.data(), scores.data(), ids.data(), kCount, 0.5f, expected.data()));
    for (const int threads : {1, 2, 3}) CHECK(suppress(boxes, scores, ids, 0.5f, threads) == expected);
    Indices one(kCount);
    one.resize(nms_reference(boxes.data(), scores.data(), kCount, 0.5f, one.data()));
    CHECK((expected == one) == (classes == 1));
  }
}

TEST_CASE("boxes far from the origin are told apart by class", "[boxes]") {
  // Shifting a class by the largest coordinate would cost these all their digits.
  const Values boxes{4e6f, 0, 4e6f + 1, 1, 4e6f + 2, 0, 4e6f + 3, 1, 4e6f, 0, 4e6f + 1, 1};
  CHECK(suppress(boxes, {0.9f, 0.8f, 0.7f}, {1000, 1000, 1000}, 0.5f, 1) == Indices{0, 1});
  CHECK(suppress(boxes, {0.9f, 0.8f, 0.7f}, {1000, 1000, 999}, 0.5f, 1) == Indices{0, 1, 2});
}
