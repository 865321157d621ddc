#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <retention/base/export.h>
#include <retention/packed/element.h>

namespace retentive::packed {

/// What one call of a packed linear map does with its result.
struct LinearCall {
  Activation activation = Activation::none;
  bool accumulate = false;        ///< y += result (after the activation) instead of y = result; f32 output only
  Element output = Element::f32;  ///< f32 or bf16
  int threads = 1;

  bool operator==(const LinearCall&) const = default;
};

/// y = activation(x W^T + b) with W packed once for the processor, for any number of rows. Calls from several threads
/// at once are allowed. int8: weights are symmetric per output channel, x is quantised per row with `row_scales`.
/// int4: 4.5 bits a weight, groups of 32 inputs with a scale each; x is float and quantised to int8 by groups inside.
///
/// Where implementation() says "streaming" (AVX-512), up to retention::kFewRows rows, and in int4 for any number, a
/// row's result has the same bits whatever rows are beside it and for any number of threads. The products of oneDNN
/// that serve the rest agree with it within rounding.
class RETENTIVE_API Linear {
 public:
  /// weight [out, in], bias [out] or null, both copied. Throws Unsupported when there is nothing but reference code
  /// for this precision on this processor.
  Linear(int64_t in, int64_t out, Precision precision, const float* weight, const float* bias);
  ~Linear();
  Linear(const Linear&) = delete;
  Linear& operator=(const Linear&) = delete;

  /// x [rows, in] of input_element(precision()); row_scales [rows] for int8, else null; y [rows, out].
  void run(int64_t rows, const void* x, const float* row_scales, void* y, const LinearCall& call) const;

  int64_t in() const;
  int64_t out() const;
  Precision precision() const;
  /// What runs, with the reason where few rows have no kernel of their own.
  std::string implementation() const;
  /// Bytes of packed weights.
  int64_t bytes() const;

  class Impl;  ///< the packed weights, inside the library

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace retentive::packed
