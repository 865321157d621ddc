#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <retention/kernels/boxes_reference.h>

namespace retentive::retention {
namespace {

float overlap_of(const float* a, const float* b, BoxOverlap overlap) {
  const float area_a = std::max(0.0f, a[2] - a[0]) * std::max(0.0f, a[3] - a[1]);
  const float area_b = std::max(0.0f, b[2] - b[0]) * std::max(0.0f, b[3] - b[1]);
  const float width = std::min(a[2], b[2]) - std::max(a[0], b[0]);
  const float height = std::min(a[3], b[3]) - std::max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const float common = width * height, whole = overlap == BoxOverlap::iou ? area_a + area_b - common : area_a;
  return whole > 0 && std::isfinite(whole) ? common / whole : 0;
}

// Calls fn(value of the bin's average, index in the map [images, height, width, channels], index in out, weight) for
// every corner of every sample.
template <class F>
void for_each_corner(const RoiAlignProblem& p, const float* roi, int64_t k, F&& fn) {
  const float x0 = roi[1] * p.spatial_scale - 0.5f, y0 = roi[2] * p.spatial_scale - 0.5f;
  const float roi_width = (roi[3] * p.spatial_scale - 0.5f) - x0, roi_height = (roi[4] * p.spatial_scale - 0.5f) - y0;
  const float bin_width = roi_width / p.out_width, bin_height = roi_height / p.out_height;
  const int64_t across = p.sampling_ratio > 0 ? p.sampling_ratio : static_cast<int64_t>(std::ceil(bin_width));
  const int64_t down = p.sampling_ratio > 0 ? p.sampling_ratio : static_cast<int64_t>(std::ceil(bin_height));
  for (int64_t i = 0; i < p.out_height; ++i) {
    for (int64_t j = 0; j < p.out_width; ++j) {
      for (int64_t sy = 0; sy < down; ++sy) {
        for (int64_t sx = 0; sx < across; ++sx) {
          float y = y0 + i * bin_height + (sy + 0.5f) * bin_height / down;
          float x = x0 + j * bin_width + (sx + 0.5f) * bin_width / across;
          if (y < -1 || y > p.height || x < -1 || x > p.width) continue;
          y = std::min(std::max(y, 0.0f), p.height - 1.0f);
          x = std::min(std::max(x, 0.0f), p.width - 1.0f);
          for (const float row : {std::floor(y), std::floor(y) + 1}) {
            for (const float column : {std::floor(x), std::floor(x) + 1}) {
              const double weight = (1.0 - std::abs(y - row)) * (1.0 - std::abs(x - column)) / (down * across);
              if (row >= p.height || column >= p.width) continue;
              const auto image = static_cast<int64_t>(roi[0]);
              const auto pixel =
                  (image * p.height + static_cast<int64_t>(row)) * p.width + static_cast<int64_t>(column);
              fn(pixel * p.channels, ((k * p.out_height + i) * p.out_width + j) * p.channels, weight);
            }
          }
        }
      }
    }
  }
}

}  // namespace

void pairwise_iou_reference(const float* a, int64_t count_a, const float* b, int64_t count_b, BoxOverlap overlap,
                            float* out) {
  for (int64_t i = 0; i < count_a; ++i) {
    for (int64_t j = 0; j < count_b; ++j) out[i * count_b + j] = overlap_of(a + 4 * i, b + 4 * j, overlap);
  }
}

int64_t nms_reference(const float* boxes, const float* scores, int64_t count, float threshold, int64_t* kept) {
  const std::vector<int64_t> one(count);
  return batched_nms_reference(boxes, scores, one.data(), count, threshold, kept);
}

int64_t batched_nms_reference(const float* boxes, const float* scores, const int64_t* ids, int64_t count,
                              float threshold, int64_t* kept) {
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  int64_t n = 0;
  for (const int64_t i : order) {
    bool suppressed = false;
    for (int64_t j = 0; j < n; ++j) {
      const float iou = overlap_of(boxes + 4 * kept[j], boxes + 4 * i, BoxOverlap::iou);
      suppressed = suppressed || (ids[kept[j]] == ids[i] && iou > threshold);
    }
    if (!suppressed) kept[n++] = i;
  }
  return n;
}

void roi_align_reference(const RoiAlignProblem& p, const float* features, const float* rois, int64_t count,
                         float* out) {
  std::vector<double> sums(count * p.out_height * p.out_width * p.channels);
  for (int64_t k = 0; k < count; ++k) {
    for_each_corner(p, rois + 5 * k, k, [&](int64_t from, int64_t to, double weight) {
      for (int64_t c = 0; c < p.channels; ++c) sums[to + c] += weight * features[from + c];
    });
  }
  std::copy(sums.begin(), sums.end(), out);
}

void roi_align_backward_reference(const RoiAlignProblem& p, const float* dout, const float* rois, int64_t count,
                                  float* dfeatures) {
  const int64_t size = p.images * p.height * p.width * p.channels;
  std::vector<double> sums(dfeatures, dfeatures + size);
  for (int64_t k = 0; k < count; ++k) {
    for_each_corner(p, rois + 5 * k, k, [&](int64_t to, int64_t from, double weight) {
      for (int64_t c = 0; c < p.channels; ++c) sums[to + c] += weight * dout[from + c];
    });
  }
  std::copy(sums.begin(), sums.end(), dfeatures);
}

void paste_masks_reference(const PasteMasksProblem& p, const float* masks, const float* boxes, uint8_t* out) {
  for (int64_t k = 0; k < p.count; ++k, masks += p.mask_height * p.mask_width, boxes += 4) {
    const auto pixel = [&](int64_t row, int64_t column) {
      const bool inside = row >= 0 && row < p.mask_height && column >= 0 && column < p.mask_width;
      return inside ? masks[row * p.mask_width + column] : 0.0f;
    };
    const float x0 = boxes[0], y0 = boxes[1], x1 = boxes[2], y1 = boxes[3];
    for (int64_t row = 0; row < p.height; ++row) {
      for (int64_t column = 0; column < p.width; ++column) {
        uint8_t& result = *out++;
        result = 0;
        const bool near = row >= std::floor(y0) - 1 && row < std::ceil(y1) + 1 && column >= std::floor(x0) - 1 &&
                          column < std::ceil(x1) + 1;
        if (!near || x1 <= x0 || y1 <= y0) continue;
        const float gx = (column + 0.5f - x0) / (x1 - x0) * 2 - 1, gy = (row + 0.5f - y0) / (y1 - y0) * 2 - 1;
        const float x = ((gx + 1) * p.mask_width - 1) / 2, y = ((gy + 1) * p.mask_height - 1) / 2;
        const float left = std::floor(x), top = std::floor(y), right = x - left, down = y - top;
        const auto i = static_cast<int64_t>(top), j = static_cast<int64_t>(left);
        const float value = (1 - down) * ((1 - right) * pixel(i, j) + right * pixel(i, j + 1)) +
                            down * ((1 - right) * pixel(i + 1, j) + right * pixel(i + 1, j + 1));
        result = value >= p.threshold ? 1 : 0;
      }
    }
  }
}

}  // namespace retentive::retention
