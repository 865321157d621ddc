#pragma once

#include <string>

#include <bench/report/results.h>
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

/// Bandwidth of reading 1 GiB of memory, in 1e9 bytes a second.
RETENTIVE_API double read_bandwidth_gb_per_s(int threads);

/// Resident memory of this process in MiB: now, and the most since reset_peak_rss() or else its start.
RETENTIVE_API double rss_mb();
RETENTIVE_API double peak_rss_mb();
/// Hands unused memory back to the system and lets the peak begin anew at what is resident.
RETENTIVE_API void reset_peak_rss();

/// Results without cells: this machine, program and moment. `command` measures them again.
RETENTIVE_API Results new_results(const std::string& command, int threads);

}  // namespace retentive::bench
