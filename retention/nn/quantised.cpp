#include <retention/base/error.h>
#include <retention/nn/detail/quantised.h>
#include <retention/ops/detail/elements.h>
#include <retention/ops/memory.h>

namespace retentive::nn::detail {
namespace {

constexpr int64_t kAlignment = 64;

int64_t scales_offset(int64_t values) { return (values + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

torch::Tensor quantised_empty(at::IntArrayRef sizes) {
  const int64_t values = c10::multiply_integers(sizes), rows = values / sizes.back();
  const auto whole = pooled_empty({scales_offset(values) + rows * static_cast<int64_t>(sizeof(float))}, at::kChar);
  return whole.slice(0, 0, values).view(sizes);
}

retention::QuantizedRows quantised_rows(const torch::Tensor& x) {
  auto* values = static_cast<int8_t*>(x.mutable_data_ptr());
  return {values, reinterpret_cast<float*>(values + scales_offset(x.numel()))};
}

torch::Tensor quantise(const torch::Tensor& x) {
  if (x.scalar_type() == at::kChar) return x;
  const auto source = x.scalar_type() == at::kBFloat16 ? x.contiguous() : x.to(at::kFloat).contiguous();
  auto out = quantised_empty(x.sizes());
  const retention::QuantizeProblem problem{.rows = x.numel() / x.size(-1), .channels = x.size(-1)};
  const bool done = retentive::detail::for_element_type(source.scalar_type(), [&](auto type) {
    return retention::quantize_rows(problem, retentive::detail::elements<decltype(type)>(source), quantised_rows(out),
                                    at::get_num_threads());
  });
  if (!done) throw Unsupported("[int8] no kernel quantises rows on this processor; use fp32");
  return out;
}

}  // namespace retentive::nn::detail
