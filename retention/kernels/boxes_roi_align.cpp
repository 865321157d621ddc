#include <algorithm>
#include <cmath>
#include <vector>

#include <retention/base/parallel_for.h>
#include <retention/kernels/boxes_roi_align.h>
#include <retention/kernels/implementation.h>

namespace retentive::retention {
namespace {

#define RETENTIVE_ROW_F32(isa) {Isa::isa, isa::roi_bins_f32},
#define RETENTIVE_ROW_BF16(isa) {Isa::isa, isa::roi_bins_bf16},
#define RETENTIVE_ROW_BACKWARD(isa) {Isa::isa, isa::roi_bins_backward_f32},
constexpr Implementation<decltype(&avx2::roi_bins_f32)> kFloat[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_F32)};
constexpr Implementation<decltype(&avx2::roi_bins_bf16)> kBfloat16[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_BF16)};
constexpr Implementation<decltype(&avx2::roi_bins_backward_f32)> kBackward[] = {
    RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_BACKWARD)};
#undef RETENTIVE_ROW_F32
#undef RETENTIVE_ROW_BF16
#undef RETENTIVE_ROW_BACKWARD

/// A side of a region in pixels of the map, cut into bins.
struct Side {
  // Single precision throughout, as elsewhere: the number of samples and what lies outside hang on the last bit.
  Side(float from, float to, float scale, int64_t bins, int64_t sampling_ratio) {
    start = from * scale - 0.5f;
    const float length = (to * scale - 0.5f) - start;
    bin = length / static_cast<float>(bins);
    samples = sampling_ratio > 0 ? static_cast<float>(sampling_ratio) : std::clamp(std::ceil(bin), 0.0f, kMostSamples);
  }

  float position(int64_t i, float sample) const {
    return start + static_cast<float>(i) * bin + (sample + 0.5f) * bin / samples;
  }

  // Floats count no further one by one; of larger regions only the few samples inside the map are visited anyway.
  static constexpr float kMostSamples = 1 << 24;

  // A sample of bin i that lies before `limit`, in the direction of the bins, as far as rounding allows.
  float sample_at(int64_t i, float limit) const {
    const float before = (limit - start - static_cast<float>(i) * bin) / bin * samples - 0.5f;
    return std::clamp(std::floor(before) - 1, 0.0f, samples);
  }

  float start, bin, samples;
};

/// Owner of RoiTaps, filled anew for every region.
class Taps {
 public:
  void fill(const Side& side, int64_t bins, int64_t extent, int64_t stride) {
    begin_.assign(1, 0);
    offset_.clear();
    weight_.clear();
    for (int64_t i = 0; i < bins; ++i) {
      add_bin(side, i, extent, stride);
      begin_.push_back(static_cast<int64_t>(offset_.size()));
    }
  }

  RoiTaps view() const { return {begin_.data(), offset_.data(), weight_.data()}; }

 private:
  void add_bin(const Side& side, int64_t i, int64_t extent, int64_t stride) {
    const auto last = static_cast<float>(extent - 1);
    const float low = side.bin > 0 ? -1.0f : static_cast<float>(extent), high = side.bin > 0 ? last + 1 : -1.0f;
    const float first = side.bin == 0 ? 0 : side.sample_at(i, low);
    const float end = side.bin == 0 ? side.samples : std::min(side.sample_at(i, high) + 4, side.samples);
    for (float sample = first; sample < end; ++sample) {
      const float position = side.position(i, sample);
      if (!(position >= -1.0f && position <= last + 1)) continue;
      const float inside = std::clamp(position, 0.0f, last);
      const auto pixel = static_cast<int64_t>(inside);
      const float share = inside - static_cast<float>(pixel);
      add(pixel * stride, (1 - share) / side.samples);
      if (share > 0) add((pixel + 1) * stride, share / side.samples);
    }
  }

  // Samples come in order: a pixel met before is one of the bin's last two.
  void add(int64_t offset, float weight) {
    const auto size = offset_.size();
    for (size_t back = 1; back <= 2 && size >= static_cast<size_t>(begin_.back()) + back; ++back) {
      if (offset_[size - back] != offset) continue;
      weight_[size - back] += weight;
      return;
    }
    offset_.push_back(offset);
    weight_.push_back(weight);
  }

  std::vector<int64_t> begin_, offset_;
  std::vector<float> weight_;
};

/// Makes the bins of one region after another.
class Regions {
 public:
  Regions(const RoiAlignProblem& problem, const float* rois) : p_(problem), rois_(rois) {}

  RoiBins bins(int64_t k) {
    const float* box = rois_ + 5 * k + 1;
    rows_.fill({box[1], box[3], p_.spatial_scale, p_.out_height, p_.sampling_ratio}, p_.out_height, p_.height,
               p_.width * p_.channels);
    columns_.fill({box[0], box[2], p_.spatial_scale, p_.out_width, p_.sampling_ratio}, p_.out_width, p_.width,
                  p_.channels);
    return {rows_.view(), columns_.view(), p_.out_height, p_.out_width, p_.channels};
  }

  // Where the region's image begins, in values.
  int64_t image(int64_t k) const { return static_cast<int64_t>(rois_[5 * k]) * p_.height * p_.width * p_.channels; }

 private:
  const RoiAlignProblem& p_;
  const float* rois_;
  Taps rows_, columns_;
};

template <class Run, class T>
bool align(Run run, const RoiAlignProblem& p, const T* features, const float* rois, int64_t count, T* out,
           int threads) {
  if (run == nullptr) return false;
  const int64_t size = p.out_height * p.out_width * p.channels;
  parallel_for(count, threads, [&](int64_t begin, int64_t end, int) {
    Regions regions(p, rois);
    for (int64_t k = begin; k < end; ++k) run(regions.bins(k), features + regions.image(k), out + k * size);
  });
  return true;
}

void spread(const RoiTaps& taps, int64_t bins, int64_t extent, int64_t stride, float* weights) {
  std::fill(weights, weights + bins * extent, 0.0f);
  for (int64_t i = 0; i < bins; ++i) {
    for (int64_t t = taps.begin[i]; t < taps.begin[i + 1]; ++t) {
      weights[i * extent + taps.offset[t] / stride] += taps.weight[t];
    }
  }
}

}  // namespace

void roi_weights(const RoiAlignProblem& problem, const float* roi, float* rows, float* columns) {
  Regions regions(problem, roi);
  const RoiBins bins = regions.bins(0);
  spread(bins.rows, problem.out_height, problem.height, problem.width * problem.channels, rows);
  spread(bins.columns, problem.out_width, problem.width, problem.channels, columns);
}

bool roi_align(const RoiAlignProblem& problem, const float* features, const float* rois, int64_t count, float* out,
               int threads) {
  static const auto run = choose(kFloat);
  return align(run, problem, features, rois, count, out, threads);
}

bool roi_align(const RoiAlignProblem& problem, const bfloat16* features, const float* rois, int64_t count,
               bfloat16* out, int threads) {
  static const auto run = choose(kBfloat16);
  return align(run, problem, features, rois, count, out, threads);
}

bool roi_align_backward(const RoiAlignProblem& p, const float* dout, const float* rois, int64_t count, float* dfeatures,
                        int threads) {
  static const auto run = choose(kBackward);
  if (run == nullptr) return false;
  // Regions overlap: a thread has channels of its own, whole cache lines of them.
  constexpr int64_t kLine = 16;
  const int64_t size = p.out_height * p.out_width * p.channels;
  parallel_for((p.channels + kLine - 1) / kLine, threads, [&](int64_t begin, int64_t end, int) {
    Regions regions(p, rois);
    for (int64_t k = 0; k < count; ++k) {
      run(regions.bins(k), dout + k * size, dfeatures + regions.image(k), begin * kLine,
          std::min(end * kLine, p.channels));
    }
  });
  return true;
}

}  // namespace retentive::retention
