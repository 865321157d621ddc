#pragma once

#include <string>
#include <vector>

#include <retention/base/export.h>

namespace retentive::bench {

/// What a process may take before it is ended.
struct ChildLimits {
  double seconds = 0;  ///< 0 = no limit
  double memory_mb = 0;
};

struct ChildRun {
  std::string out;      ///< standard output
  std::string stopped;  ///< why it was ended, such as "took more than 60 s"; empty when it ended by itself
  int exit_code = 0;
};

/// Runs a program and waits; its standard error is ours. Throws StateError when it cannot be started.
RETENTIVE_API ChildRun run_child(const std::string& program, const std::vector<std::string>& arguments,
                                 const ChildLimits& limits);

/// The file that this process runs.
RETENTIVE_API std::string own_program();

}  // namespace retentive::bench
