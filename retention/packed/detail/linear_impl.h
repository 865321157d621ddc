#pragma once

#include <retention/kernels/linear_output.h>
#include <retention/packed/detail/weight_memory.h>
#include <retention/packed/linear.h>

namespace retentive::packed {

/// A linear map in one kind of packed weights.
class Linear::Impl {
 public:
  Impl(int64_t in, int64_t out, Precision precision) : in_(in), out_(out), precision_(precision) {}
  virtual ~Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  virtual void run(int64_t rows, const void* x, const float* row_scales, void* y, const LinearCall& call) = 0;
  virtual std::string implementation() const = 0;
  virtual int64_t bytes() const = 0;

  const int64_t in_;
  const int64_t out_;
  const Precision precision_;

  /// weight [out, in], bias [out] or null, both copied.
  static std::unique_ptr<Impl> onednn(int64_t in, int64_t out, Precision precision, const float* weight,
                                      const float* bias);
  static std::unique_ptr<Impl> int4(int64_t in, int64_t out, const float* weight, const float* bias);
};

/// `y` and what is done to it as the kernels take it.
inline retention::LinearOutput linear_output(void* y, const float* bias, const LinearCall& call) {
  const bool bf16 = call.output == Element::bf16;
  return {.floats = bf16 ? nullptr : static_cast<float*>(y),
          .halves = bf16 ? static_cast<bfloat16*>(y) : nullptr,
          .bias = bias,
          .activation = call.activation,
          .accumulate = call.accumulate};
}

}  // namespace retentive::packed
