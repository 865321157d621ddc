#pragma once

#include <cstdint>

#include <retention/base/activation.h>
#include <retention/base/bfloat16.h>

namespace retentive::retention {

/// What a linear map does with its sums: y = activation(sum + bias), or y += that; y [rows, out], row-major.
/// One of the two outputs is set; only float can be accumulated into.
struct LinearOutput {
  float* floats = nullptr;
  bfloat16* halves = nullptr;
  const float* bias = nullptr;  ///< [out] or null
  Activation activation = Activation::none;
  bool accumulate = false;
};

}  // namespace retentive::retention
