#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace retentive::datasets::detail {

/// Collects a mask's runs in its order, joining neighbours of the same value.
class RunWriter {
 public:
  void add(uint32_t length, bool one) {
    if (one != one_) {
      counts_.push_back(run_);
      run_ = 0;
      one_ = one;
    }
    run_ += length;
  }

  std::vector<uint32_t> counts() && {
    counts_.push_back(run_);
    return std::move(counts_);
  }

 private:
  std::vector<uint32_t> counts_;
  uint32_t run_ = 0;
  bool one_ = false;
};

/// InvalidArgument "[where] ..." unless the sides are at least 0 and the pixels can be counted in 32 bits.
void check_mask_size(int64_t height, int64_t width, const char* where);

}  // namespace retentive::datasets::detail
