#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace retentive::bench {

/// What a measurement was taken on.
struct Machine {
  std::string cpu;  ///< model name
  std::string isa;  ///< that kernels run on
  int64_t cores = 0;
  std::string retentive;
  std::string libtorch;
  std::string onednn;
  std::map<std::string, std::string> runtimes = {};  ///< of peers: name to version
  double load = 0;                                   ///< one-minute load average
  double pingpong_ns = 0;                            ///< see pingpong_ns()
};

/// "fast" up to 250 ns, else "slow".
inline const char* cache_state(double pingpong_ns) { return pingpong_ns <= 250 ? "fast" : "slow"; }

}  // namespace retentive::bench
