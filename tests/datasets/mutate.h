#pragma once

#include <vector>

#include <datasets/random.h>

namespace retentive::testing {

/// A few bytes changed, mostly near the start where the headers are; sometimes the end is cut off or doubled.
inline std::vector<uint8_t> mutate(std::vector<uint8_t> bytes, datasets::Rng& rng) {
  constexpr uint8_t kTelling[] = {0, 1, 0x7f, 0x80, 0xff};
  const int64_t changes = 1 + datasets::uniform_below(rng, 6);
  for (int64_t i = 0; i < changes; ++i) {
    const int64_t size = static_cast<int64_t>(bytes.size());
    const int64_t reach = datasets::uniform(rng) < 0.7 ? std::min<int64_t>(size, 200) : size;
    uint8_t& byte = bytes[datasets::uniform_below(rng, reach)];
    byte = datasets::uniform(rng) < 0.5 ? kTelling[datasets::uniform_below(rng, 5)] : static_cast<uint8_t>(rng());
  }
  if (datasets::uniform(rng) < 0.1) {
    bytes.resize(1 + datasets::uniform_below(rng, static_cast<int64_t>(bytes.size())));
  }
  if (datasets::uniform(rng) < 0.05) bytes.resize(bytes.size() * 2);
  return bytes;
}

}  // namespace retentive::testing
