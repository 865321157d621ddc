#pragma once

#include <functional>
#include <string>

#include <bench/report/statistics.h>
#include <retention/base/export.h>
#include <retention/base/precision.h>

namespace retentive::bench {

/// One kernel on one shape. Values in the project's metric against the composed form in double or plain loops.
struct KernelResult {
  std::string name;  ///< "masa_full_14x14x8x32"
  Precision precision = Precision::fp32;
  double deviation = 0;
  bool correct = false;
  Summary microseconds = {};  ///< not measured when incorrect
  double gmacs = 0;           ///< 0 for a kernel that is not made of them
  /// Of a kernel that is bound by memory: what one call must read, in 1e9 bytes, and the bandwidth that the same run
  /// measured, in 1e9 bytes a second; 0 for others.
  double read_gb = 0;
  double read_gb_per_s = 0;

  double bandwidth_share() const { return read_gb * 1e6 / microseconds.median / read_gb_per_s; }
};

/// Times the MaSA kernels on the shapes of RMT-T and RMT-S at 224, decoding attention with the caches of
/// transformer_medium, and a detector's suppression and RoIAlign, where the name contains `filter`; each after a check
/// against the composed form or plain loops: no speed is measured of a wrong result. `sink` receives one result at a
/// time.
RETENTIVE_API void measure_kernels(const std::string& filter, int threads, int repetitions,
                                   const std::function<void(const KernelResult&)>& sink);

/// One JSON object on one line, or a line for people.
RETENTIVE_API std::string kernel_json(const KernelResult& result);
RETENTIVE_API std::string kernel_text(const KernelResult& result);

}  // namespace retentive::bench
