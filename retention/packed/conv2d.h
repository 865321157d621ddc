#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <retention/base/export.h>
#include <retention/packed/element.h>

namespace retentive::packed {

/// Sizes of a dense square-kernel convolution; zero padding of kernel / 2 on every side.
struct Conv2dShape {
  int64_t in_channels = 1;
  int64_t out_channels = 1;
  int64_t kernel = 3;
  int64_t stride = 1;
};

/// What one call of a packed convolution computes: x [batch, height, width, in] -> y [batch, ceil(height/stride),
/// ceil(width/stride), out].
struct Conv2dCall {
  int64_t batch = 1;
  int64_t height = 1;
  int64_t width = 1;
  Activation activation = Activation::none;
  Element output = Element::f32;  ///< f32 or bf16
  int threads = 1;

  bool operator==(const Conv2dCall&) const = default;
};

/// Channels-last convolution with weights packed once for the processor. Calls from several threads at once are
/// allowed. fp32 and bf16 only: with one scale for a whole map, int8 gained 2 % of an RMT-T and doubled its error.
class RETENTIVE_API Conv2d {
 public:
  /// weight [out, in, k, k], bias [out], both copied. Throws Unsupported as Linear does.
  Conv2d(const Conv2dShape& shape, Precision precision, const float* weight, const float* bias);
  ~Conv2d();
  Conv2d(const Conv2d&) = delete;
  Conv2d& operator=(const Conv2d&) = delete;

  /// x of input_element(precision()).
  void run(const void* x, void* y, const Conv2dCall& call) const;

  const Conv2dShape& shape() const;
  Precision precision() const;
  std::string implementation() const;
  int64_t bytes() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace retentive::packed
