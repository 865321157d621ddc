#include <algorithm>
#include <limits>

#include <datasets/detail/rle_runs.h>
#include <datasets/rle.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace {

std::string size_text(int64_t height, int64_t width) {
  return "[" + std::to_string(height) + ", " + std::to_string(width) + "]";
}

/// Calls f(length, in_first, in_second) for every stretch over which neither mask changes.
template <class F>
void walk_both(const RleMask& first, const RleMask& second, F&& f) {
  size_t a = 0, b = 0;
  uint32_t left_a = 0, left_b = 0;
  while (true) {
    while (left_a == 0 && a < first.counts.size()) left_a = first.counts[a++];
    while (left_b == 0 && b < second.counts.size()) left_b = second.counts[b++];
    const uint32_t length = std::min(left_a, left_b);
    if (length == 0) return;
    // `a` runs have begun: the even ones of them are of ones.
    f(length, a % 2 == 0, b % 2 == 0);
    left_a -= length;
    left_b -= length;
  }
}

void check_same_size(const RleMask& first, const RleMask& second, const char* where) {
  if (first.height == second.height && first.width == second.width) return;
  throw InvalidArgument(std::string("[") + where + "] the masks are " + size_text(first.height, first.width) + " and " +
                        size_text(second.height, second.width) + "; masks of the same image are accepted");
}

RleMask union_of(const RleMask& first, const RleMask& second) {
  check_same_size(first, second, "rle_union");
  detail::RunWriter runs;
  walk_both(first, second, [&](uint32_t length, bool a, bool b) { runs.add(length, a || b); });
  return {first.height, first.width, std::move(runs).counts()};
}

}  // namespace

void detail::check_mask_size(int64_t height, int64_t width, const char* where) {
  constexpr int64_t kMost = std::numeric_limits<uint32_t>::max();
  if (height >= 0 && width >= 0 && (height == 0 || width <= kMost / height)) return;
  throw InvalidArgument(std::string("[") + where + "] a mask cannot be " + size_text(height, width) +
                        "; sides of at least 0 and at most " + std::to_string(kMost) + " pixels are accepted");
}

RleMask rle_encode(const uint8_t* mask, int64_t height, int64_t width) {
  detail::check_mask_size(height, width, "rle_encode");
  detail::RunWriter runs;
  for (int64_t x = 0; x < width; ++x) {
    for (int64_t y = 0; y < height; ++y) runs.add(1, mask[y * width + x] != 0);
  }
  return {height, width, std::move(runs).counts()};
}

void check_rle(const RleMask& mask, const std::string& where) {
  detail::check_mask_size(mask.height, mask.width, "rle");
  uint64_t sum = 0;
  for (const uint32_t count : mask.counts) sum += count;
  const uint64_t pixels = static_cast<uint64_t>(mask.height) * static_cast<uint64_t>(mask.width);
  if (sum == pixels) return;
  throw DataError("[" + where + "] the counts of a mask sum to " + std::to_string(sum) + " but its size " +
                  size_text(mask.height, mask.width) + " has " + std::to_string(pixels) +
                  " pixels; give the size the mask was encoded with");
}

std::vector<uint8_t> rle_decode(const RleMask& mask) {
  check_rle(mask);
  std::vector<uint8_t> pixels(static_cast<size_t>(mask.height * mask.width));
  int64_t at = 0;
  for (size_t i = 0; i < mask.counts.size(); ++i) {
    const int64_t end = at + mask.counts[i];
    if (i % 2 == 0) at = end;
    for (int64_t x = mask.height > 0 ? at / mask.height : 0; at < end; ++x) {
      const int64_t stop = std::min(end, (x + 1) * mask.height);
      for (; at < stop; ++at) pixels[(at - x * mask.height) * mask.width + x] = 1;
    }
  }
  return pixels;
}

int64_t rle_area(const RleMask& mask) {
  int64_t area = 0;
  for (size_t i = 1; i < mask.counts.size(); i += 2) area += mask.counts[i];
  return area;
}

vision::Box rle_box(const RleMask& mask) {
  check_rle(mask);
  int64_t x0 = mask.width, y0 = mask.height, x1 = 0, y1 = 0, begin = 0;
  for (size_t i = 0; i < mask.counts.size(); begin += mask.counts[i++]) {
    if (i % 2 == 0 || mask.counts[i] == 0) continue;
    const int64_t last = begin + mask.counts[i] - 1;
    const bool one_column = begin / mask.height == last / mask.height;
    x0 = std::min(x0, begin / mask.height);
    x1 = std::max(x1, last / mask.height + 1);
    y0 = std::min(y0, one_column ? begin % mask.height : 0);
    y1 = std::max(y1, one_column ? last % mask.height + 1 : mask.height);
  }
  if (x1 == 0) return {};
  return {static_cast<float>(x0), static_cast<float>(y0), static_cast<float>(x1), static_cast<float>(y1)};
}

RleMask rle_union(std::span<const RleMask> masks) {
  if (masks.empty()) throw InvalidArgument("[rle_union] there is no mask; one or more are accepted");
  RleMask all = masks[0];
  for (const RleMask& mask : masks.subspan(1)) all = union_of(all, mask);
  return all;
}

double rle_iou(const RleMask& detection, const RleMask& truth, bool crowd) {
  check_same_size(detection, truth, "rle_iou");
  uint64_t both = 0, either = 0;
  walk_both(detection, truth, [&](uint32_t length, bool a, bool b) {
    both += a && b ? length : 0;
    either += a || b ? length : 0;
  });
  if (both == 0) return 0;
  return static_cast<double>(both) / static_cast<double>(crowd ? rle_area(detection) : static_cast<int64_t>(either));
}

double box_iou(const CocoBox& detection, const CocoBox& truth, bool crowd) {
  const double width = std::min(detection[0] + detection[2], truth[0] + truth[2]) - std::max(detection[0], truth[0]);
  const double height = std::min(detection[1] + detection[3], truth[1] + truth[3]) - std::max(detection[1], truth[1]);
  if (!(width > 0) || !(height > 0)) return 0;
  const double both = width * height;
  const double area = detection[2] * detection[3];
  return both / (crowd ? area : area + truth[2] * truth[3] - both);
}

}  // namespace retentive::datasets
