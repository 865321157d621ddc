#include <algorithm>
#include <bit>
#include <numeric>
#include <vector>

#include <retention/base/parallel_for.h>
#include <retention/kernels/boxes.h>
#include <retention/kernels/boxes_reference.h>
#include <retention/kernels/implementation.h>

namespace retentive::retention {
namespace {

#define RETENTIVE_ROW_OVERLAPS(isa) {Isa::isa, isa::box_overlaps},
#define RETENTIVE_ROW_LARGEST(isa) {Isa::isa, isa::largest_ious},
constexpr Implementation<decltype(&avx2::box_overlaps)> kOverlaps[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_OVERLAPS)};
constexpr Implementation<decltype(&avx2::largest_ious)> kLargest[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_LARGEST)};
#undef RETENTIVE_ROW_OVERLAPS
#undef RETENTIVE_ROW_LARGEST

// Candidates that are decided upon together before the others are compared with those kept of them.
constexpr int64_t kBlock = 256;
// Pairs of boxes that are worth another thread: every block ends in a barrier, dear where cores are shared.
constexpr int64_t kPairsPerThread = 1 << 22;

/// Boxes in the order of falling scores, with their places in it.
class Candidates {
 public:
  explicit Candidates(int64_t count) : ranks_(count) {
    for (auto& column : columns_) column.resize(count);
  }

  void set(int64_t i, const float* box, int64_t rank) {
    for (int side = 0; side < 4; ++side) columns_[side][i] = box[side];
    columns_[4][i] = box_area(box);
    ranks_[i] = rank;
  }

  void copy(int64_t to, const Candidates& other, int64_t from) {
    for (int c = 0; c < 5; ++c) columns_[c][to] = other.columns_[c][from];
  }

  /// Moves those of [begin, end) whose overlap is at most `threshold` to `begin` on; the end of them.
  int64_t compact(int64_t begin, int64_t end, const float* overlaps, float threshold) {
    int64_t to = begin;
    for (int64_t i = begin; i < end; ++i) {
      for (auto& column : columns_) column[to] = column[i];
      ranks_[to] = ranks_[i];
      to += overlaps[i] > threshold ? 0 : 1;
    }
    return to;
  }

  void move(int64_t begin, int64_t end, int64_t to) {
    for (auto& column : columns_) std::copy(column.begin() + begin, column.begin() + end, column.begin() + to);
    std::copy(ranks_.begin() + begin, ranks_.begin() + end, ranks_.begin() + to);
  }

  BoxColumns from(int64_t first) const {
    const BoxColumns all{columns_[0].data(), columns_[1].data(), columns_[2].data(), columns_[3].data(),
                         columns_[4].data()};
    return all.from(first);
  }
  int64_t rank(int64_t i) const { return ranks_[i]; }
  void box(int64_t i, float* sides) const {
    for (int side = 0; side < 4; ++side) sides[side] = columns_[side][i];
  }
  float area(int64_t i) const { return columns_[4][i]; }

 private:
  std::vector<float> columns_[5];
  std::vector<int64_t> ranks_;
};

/// Suppresses among candidates of one class.
class Suppression {
 public:
  Suppression(Candidates& candidates, int64_t count, float threshold, int threads)
      : candidates_(candidates),
        end_(count),
        threshold_(threshold),
        threads_(threads),
        block_(kBlock),
        overlaps_(count) {}

  /// Sets kept[rank] of the survivors.
  void run(uint8_t* kept) {
    for (int64_t begin = 0; begin < end_;) {
      const int64_t end = std::min(begin + kBlock, end_);
      const int64_t count = decide(begin, end, kept);
      begin = end;
      filter(begin, count);
    }
  }

 private:
  // Settles [begin, end), which nothing before suppresses, and collects those kept in block_.
  int64_t decide(int64_t begin, int64_t end, uint8_t* kept) {
    static const auto overlaps = choose(kOverlaps);
    bool suppressed[kBlock] = {};
    float row[kBlock], box[4];
    int64_t count = 0;
    for (int64_t i = begin; i < end; ++i) {
      if (suppressed[i - begin]) continue;
      kept[candidates_.rank(i)] = 1;
      block_.copy(count++, candidates_, i);
      candidates_.box(i, box);
      overlaps(box, candidates_.area(i), candidates_.from(i + 1), end - i - 1, BoxOverlap::iou, row);
      for (int64_t j = i + 1; j < end; ++j) suppressed[j - begin] |= row[j - i - 1] > threshold_;
    }
    return count;
  }

  // Drops the candidates from `first` on that one of the `count` in block_ suppresses.
  void filter(int64_t first, int64_t count) {
    static const auto largest = choose(kLargest);
    const int64_t rest = end_ - first;
    if (rest == 0) return;
    const auto workers = std::clamp<int64_t>(rest * count / kPairsPerThread, 1, threads_);
    std::vector<std::pair<int64_t, int64_t>> survivors(workers);
    parallel_for(rest, static_cast<int>(workers), [&](int64_t begin, int64_t end, int worker) {
      begin += first, end += first;
      largest(candidates_.from(begin), end - begin, block_.from(0), count, overlaps_.data() + begin);
      survivors[worker] = {begin, candidates_.compact(begin, end, overlaps_.data(), threshold_)};
    });
    end_ = first;
    for (const auto& [begin, end] : survivors) {
      if (begin != end_) candidates_.move(begin, end, end_);
      end_ += end - begin;
    }
  }

  Candidates& candidates_;
  int64_t end_;
  float threshold_;
  int threads_;
  Candidates block_;
  std::vector<float> overlaps_;
};

// Indices by falling score, equal ones by index: sorted as integers, which is several times as fast as by a comparison.
std::vector<int64_t> order_of(const float* scores, int64_t count) {
  std::vector<uint64_t> keys(count);
  for (int64_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<uint32_t>(scores[i] + 0.0f);  // -0 becomes 0
    const uint32_t rising = bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
    keys[i] = static_cast<uint64_t>(~rising) << 32 | static_cast<uint32_t>(i);
  }
  std::sort(keys.begin(), keys.end());
  std::vector<int64_t> order(count);
  for (int64_t i = 0; i < count; ++i) order[i] = static_cast<uint32_t>(keys[i]);
  return order;
}

// Suppresses among the boxes of ranks [begin, end) of `ranks`.
void suppress(const float* boxes, const std::vector<int64_t>& order, const int64_t* ranks, int64_t count,
              float threshold, int threads, uint8_t* kept) {
  Candidates candidates(count);
  for (int64_t i = 0; i < count; ++i) candidates.set(i, boxes + 4 * order[ranks[i]], ranks[i]);
  Suppression(candidates, count, threshold, threads).run(kept);
}

int64_t write_kept(const std::vector<int64_t>& order, const std::vector<uint8_t>& kept, int64_t* out) {
  int64_t count = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    if (kept[rank] != 0) out[count++] = order[rank];
  }
  return count;
}

}  // namespace

int64_t nms(const float* boxes, const float* scores, int64_t count, float threshold, int64_t* kept, int threads) {
  if (cpu_isa() == Isa::portable) return nms_reference(boxes, scores, count, threshold, kept);
  const auto order = order_of(scores, count);
  std::vector<int64_t> ranks(count);
  std::iota(ranks.begin(), ranks.end(), 0);
  std::vector<uint8_t> survives(count);
  suppress(boxes, order, ranks.data(), count, threshold, threads, survives.data());
  return write_kept(order, survives, kept);
}

int64_t batched_nms(const float* boxes, const float* scores, const int64_t* ids, int64_t count, float threshold,
                    int64_t* kept, int threads) {
  if (cpu_isa() == Isa::portable) return batched_nms_reference(boxes, scores, ids, count, threshold, kept);
  const auto order = order_of(scores, count);
  std::vector<int64_t> ranks(count), starts;
  std::iota(ranks.begin(), ranks.end(), 0);
  const auto id = [&](int64_t rank) { return ids[order[rank]]; };
  std::stable_sort(ranks.begin(), ranks.end(), [&](int64_t a, int64_t b) { return id(a) < id(b); });
  for (int64_t i = 0; i < count; ++i) {
    if (i == 0 || id(ranks[i]) != id(ranks[i - 1])) starts.push_back(i);
  }
  const auto groups = static_cast<int64_t>(starts.size());
  starts.push_back(count);
  std::vector<uint8_t> survives(count);
  // Few groups have the threads to themselves one after another, many are shared out.
  const bool share = groups >= 4 * threads;
  parallel_for(groups, share ? threads : 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t g = begin; g < end; ++g) {
      suppress(boxes, order, ranks.data() + starts[g], starts[g + 1] - starts[g], threshold, share ? 1 : threads,
               survives.data());
    }
  });
  return write_kept(order, survives, kept);
}

}  // namespace retentive::retention
