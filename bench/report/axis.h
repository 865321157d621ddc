#pragma once

#include <cmath>
#include <string>

namespace retentive::bench {

/// A logarithmic axis: values from `low` to `high` onto places from `from` to `to`.
struct LogAxis {
  double low = 1, high = 10, from = 0, to = 1;

  double place(double value) const { return from + (to - from) * std::log(value / low) / std::log(high / low); }
};

/// A tick's number: three digits that count, thousands as k.
std::string tick_text(double value);

}  // namespace retentive::bench
