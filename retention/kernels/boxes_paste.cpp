#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <retention/base/parallel_for.h>
#include <retention/kernels/boxes_paste.h>

namespace retentive::retention {
namespace {

/// Two neighbouring rows or columns of a mask and what they weigh.
struct Taps {
  int64_t low = 0, high = 0;
  float low_weight = 0, high_weight = 0;
};

/// The pixels [begin, end) of an image that a box covers along one side, with a pixel around it.
struct Side {
  Side(float low, float high, int64_t extent) : from(low), to(high) {
    if (!(high > low)) return;
    const auto last = static_cast<float>(extent);
    begin = static_cast<int64_t>(std::clamp(std::floor(low) - 1, 0.0f, last));
    end = static_cast<int64_t>(std::clamp(std::ceil(high) + 1, 0.0f, last));
  }

  Taps taps(int64_t pixel, int64_t mask_extent) const {
    // In these steps the sampling grid of the usual framework rounds.
    const float across = (static_cast<float>(pixel) + 0.5f - from) / (to - from) * 2 - 1;
    const float position = ((across + 1) * static_cast<float>(mask_extent) - 1) / 2;
    const float low = std::floor(position);
    if (low < -1 || low >= static_cast<float>(mask_extent)) return {};
    const auto index = static_cast<int64_t>(low);
    const float share = position - low;
    return {std::max<int64_t>(index, 0), std::min(index + 1, mask_extent - 1), index < 0 ? 0 : 1 - share,
            index + 1 < mask_extent ? share : 0};
  }

  float from, to;
  int64_t begin = 0, end = 0;
};

/// Pastes one mask after another.
class Paster {
 public:
  explicit Paster(const PasteMasksProblem& problem) : p_(problem) {}

  void paste(const float* mask, const float* box, uint8_t* out) {
    const Side columns(box[0], box[2], p_.width), rows(box[1], box[3], p_.height);
    const int64_t width = columns.end - columns.begin;
    if (width <= 0 || rows.end <= rows.begin) {
      std::memset(out, 0, p_.height * p_.width);
      return;
    }
    stretch(mask, columns);
    std::memset(out, 0, rows.begin * p_.width);
    for (int64_t y = rows.begin; y < rows.end; ++y) {
      uint8_t* row = out + y * p_.width;
      std::memset(row, 0, columns.begin);
      blend(rows.taps(y, p_.mask_height), width, row + columns.begin);
      std::memset(row + columns.end, 0, p_.width - columns.end);
    }
    std::memset(out + rows.end * p_.width, 0, (p_.height - rows.end) * p_.width);
  }

 private:
  // The mask's rows at the image's columns: rows of the image are then blended from them without gathering.
  void stretch(const float* mask, const Side& columns) {
    const int64_t width = columns.end - columns.begin;
    stretched_.resize(p_.mask_height * width);
    for (int64_t x = 0; x < width; ++x) {
      const Taps taps = columns.taps(columns.begin + x, p_.mask_width);
      for (int64_t y = 0; y < p_.mask_height; ++y) {
        const float* row = mask + y * p_.mask_width;
        stretched_[y * width + x] = taps.low_weight * row[taps.low] + taps.high_weight * row[taps.high];
      }
    }
  }

  void blend(const Taps& taps, int64_t width, uint8_t* out) const {
    const float *low = stretched_.data() + taps.low * width, *high = stretched_.data() + taps.high * width;
    const float low_weight = taps.low_weight, high_weight = taps.high_weight, threshold = p_.threshold;
    for (int64_t x = 0; x < width; ++x) out[x] = low_weight * low[x] + high_weight * high[x] >= threshold ? 1 : 0;
  }

  const PasteMasksProblem& p_;
  std::vector<float> stretched_;
};

}  // namespace

void paste_masks(const PasteMasksProblem& problem, const float* masks, const float* boxes, uint8_t* out, int threads) {
  const int64_t mask = problem.mask_height * problem.mask_width, image = problem.height * problem.width;
  parallel_for(problem.count, threads, [&](int64_t begin, int64_t end, int) {
    Paster paster(problem);
    for (int64_t k = begin; k < end; ++k) paster.paste(masks + k * mask, boxes + 4 * k, out + k * image);
  });
}

}  // namespace retentive::retention
