#pragma once

#include <cstdint>

namespace retentive::retention {
namespace {

// Blocks of tokens whose shares of the weight's gradient are summed apart and then joined in order, so that the sum
// does not depend on the threads.
constexpr int64_t kHeadNormParts = 64;

// Floats of one share: whole vectors of any instruction set.
inline int64_t head_norm_part_floats(int64_t dim) { return (dim + 15) / 16 * 16; }

}  // namespace
}  // namespace retentive::retention
