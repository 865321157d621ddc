#pragma once

#include <cstdint>
#include <random>

#include <retention/base/export.h>

namespace retentive::datasets {

/// The generator of shuffling and augmentation. The standard fixes its bits but not those of its distributions,
/// hence the few helpers below.
using Rng = std::mt19937_64;

/// Uniform in [0, 1), 53 bits.
inline double uniform(Rng& rng) { return static_cast<double>(rng() >> 11) * 0x1.0p-53; }

/// Uniform in [low, high); `low` when they are equal.
inline double uniform(Rng& rng, double low, double high) { return low + (high - low) * uniform(rng); }

/// Uniform integer in [0, bound), bound > 0, without bias.
RETENTIVE_API int64_t uniform_below(Rng& rng, int64_t bound);

/// A seed that depends on each of the three values, for one generator per epoch or sample.
RETENTIVE_API uint64_t derive_seed(uint64_t seed, uint64_t epoch, uint64_t index);

}  // namespace retentive::datasets
