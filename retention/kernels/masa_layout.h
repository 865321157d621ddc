#pragma once

#include <cstdint>

namespace retentive::retention {

/// Floats from one token to the next, of every tensor of a Manhattan self-attention call. Heads lie side by side
/// within a token, the tokens of a batch entry follow those of the one before it at the same distance.
struct MasaStrides {
  int64_t q = 0;
  int64_t k = 0;
  int64_t v = 0;
  int64_t out = 0;
};

/// Sines and cosines of the rotary phases by flat token index, [height * width, head_dim / 2] each.
struct MasaTables {
  const float* sin = nullptr;
  const float* cos = nullptr;
};

}  // namespace retentive::retention
