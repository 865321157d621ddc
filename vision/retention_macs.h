#pragma once

#include <algorithm>
#include <cstdint>

#include <retention/base/form.h>

namespace retentive::vision {

/// Multiply-accumulates of causal retention of one head of `dim` channels over `tokens` tokens; `form` is not auto_.
inline int64_t retention_macs(int64_t tokens, int64_t dim, Form form, int64_t chunk) {
  if (form == Form::parallel) return 2 * tokens * tokens * dim;
  int64_t total = 2 * tokens * dim * dim;
  if (form == Form::recurrent) return total;
  for (int64_t begin = 0; begin < tokens; begin += chunk) {
    const auto length = std::min(chunk, tokens - begin);
    total += 2 * length * length * dim;
  }
  return total;
}

}  // namespace retentive::vision
