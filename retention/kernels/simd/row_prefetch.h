#pragma once

#include <retention/kernels/simd/strips.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// Brings the rows of several tensors into the L2 cache little by little while other work goes on: they lie far apart
/// from token to token, so that the processor does not see them coming.
class RowPrefetch {
 public:
  static constexpr int kMost = 4;

  /// `columns` values of each of `tokens` rows are wanted.
  template <class T>
  void add(const HeadRows<T>& rows, int64_t token, int64_t tokens, int64_t first, int64_t columns) {
    if (columns <= 0 || tokens <= 0) return;
    const auto* const at = reinterpret_cast<const char*>(rows.at(token) + first);
    const auto size = static_cast<int64_t>(sizeof(T));
    blocks_[count_++] = {at, rows.stride * size, columns * size, tokens};
    lines_ += tokens * (columns * size / kLine);
  }

  /// All rows are to be asked for within that many calls of step.
  void spread(int64_t steps) { pace_ = lines_ / steps + 1; }

  void step() {
    for (budget_ += pace_; budget_ > 0 && current_ < count_;) {
      const Block& block = blocks_[current_];
      const char* const row = block.data + token_ * block.stride;
      for (int64_t byte = 0; byte < block.bytes; byte += kLine) _mm_prefetch(row + byte, _MM_HINT_T1);
      budget_ -= block.bytes / kLine;
      if (++token_ < block.tokens) continue;
      token_ = 0;
      ++current_;
    }
  }

 private:
  static constexpr int64_t kLine = 64;

  struct Block {
    const char* data;
    int64_t stride, bytes, tokens;
  };

  Block blocks_[kMost];
  int count_ = 0, current_ = 0;
  int64_t lines_ = 0, pace_ = 0, budget_ = 0, token_ = 0;
};

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
