#pragma once

#include <bench/report/machine.h>
#include <retention/base/export.h>
#include <retention/base/precision.h>

namespace retentive::bench {

RETENTIVE_API Machine describe_machine();

/// Round trip of a cache line between the first two processors, in nanoseconds; 0 with one processor. Virtual
/// machines move between a state with a shared last-level cache (60-180 ns) and one without (over 300 ns), and
/// whatever runs on two threads is 20-50 % slower in the second.
RETENTIVE_API double pingpong_ns();

/// Multiply-accumulates per second, in units of 1e9, of one large packed matrix product (1024 x 1024 x 1024): the peak
/// that shares refer to. Throws Unsupported when the processor cannot.
RETENTIVE_API double peak_gmacs_per_s(Precision precision, int threads);

/// Peak resident memory of this process so far, in MiB.
RETENTIVE_API double peak_rss_mb();

}  // namespace retentive::bench
