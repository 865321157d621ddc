#pragma once

#include <retention/base/precision.h>

namespace retentive {

/// Memory that one packed weight takes, in bytes; of int4 with its share of the scales.
constexpr double bytes_per_weight(Precision precision) {
  if (precision == Precision::int4) return 4.5 / 8;
  return precision == Precision::int8 ? 1 : precision == Precision::bf16 ? 2 : 4;
}

}  // namespace retentive
