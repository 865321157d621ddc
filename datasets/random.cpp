#include <datasets/random.h>
#include <retention/base/error.h>

namespace retentive::datasets {

int64_t uniform_below(Rng& rng, int64_t bound) {
  if (bound <= 0) throw InvalidArgument("[uniform_below] bound is " + std::to_string(bound) + "; it must be positive");
  const uint64_t range = static_cast<uint64_t>(bound);
  const uint64_t excess = (0 - range) % range;  // 2^64 mod range: values below it would favour small results
  uint64_t draw = rng();
  while (draw < excess) draw = rng();
  return static_cast<int64_t>(draw % range);
}

namespace {

uint64_t mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

}  // namespace

uint64_t derive_seed(uint64_t seed, uint64_t epoch, uint64_t index) { return mix(mix(mix(seed) ^ epoch) ^ index); }

}  // namespace retentive::datasets
