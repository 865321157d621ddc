#include <retention/base/retention_cost.h>

#include <algorithm>

namespace retentive {

int64_t retention_chunk(int64_t chunk, int64_t key_dim, int64_t value_dim) {
  if (chunk >= 1 && chunk <= kMostRetentionChunk) return chunk;
  return key_dim * value_dim <= 128 * 128 ? 32 : 64;
}

int64_t retention_macs(const RetentionWork& work, Form form, MaskedProducts masked) {
  const auto within = [&](int64_t tokens) {
    const int64_t all = tokens * tokens * (work.key_dim + work.value_dim);
    return masked == MaskedProducts::counted ? all : all / 2;
  };
  if (form == Form::parallel) return within(work.tokens);
  int64_t total = 2 * work.tokens * work.key_dim * work.value_dim;
  if (form == Form::recurrent) return total;
  const int64_t chunk = std::clamp<int64_t>(work.chunk, 1, std::max<int64_t>(work.tokens, 1));
  total += work.tokens / chunk * within(chunk) + within(work.tokens % chunk);
  return total;
}

}  // namespace retentive
