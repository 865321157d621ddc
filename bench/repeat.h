#pragma once

#include <functional>
#include <vector>

#include <retention/base/export.h>

namespace retentive::bench {

/// Milliseconds of `repetitions` calls, of fewer when they took `budget_s` seconds and three are done; 0 = no budget.
RETENTIVE_API std::vector<double> time_calls(const std::function<void()>& call, int repetitions, double budget_s = 0);

}  // namespace retentive::bench
