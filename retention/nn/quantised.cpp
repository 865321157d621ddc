#include <sstream>

#include <retention/base/error.h>
#include <retention/nn/detail/quantised.h>
#include <retention/ops/detail/elements.h>
#include <retention/ops/memory.h>

namespace retentive::nn::detail {
namespace {

constexpr int64_t kAlignment = 64;

int64_t scales_offset(int64_t values) { return (values + kAlignment - 1) / kAlignment * kAlignment; }

// Values and scales of a tensor [..., C], C > 0.
int64_t storage_bytes(at::IntArrayRef sizes) {
  const int64_t values = c10::multiply_integers(sizes);
  return scales_offset(values) + values / sizes.back() * static_cast<int64_t>(sizeof(float));
}

// Whether quantised_empty() made it: other int8 tensors, copies and parts have nothing, or others' scales, behind them.
bool carries_scales(const torch::Tensor& x) {
  return x.scalar_type() == at::kChar && x.dim() > 0 && x.size(-1) > 0 && x.is_contiguous() &&
         x.storage_offset() == 0 && static_cast<int64_t>(x.storage().nbytes()) == storage_bytes(x.sizes());
}

}  // namespace

torch::Tensor quantised_empty(at::IntArrayRef sizes) {
  const auto whole = pooled_empty({storage_bytes(sizes)}, at::kChar);
  return whole.slice(0, 0, c10::multiply_integers(sizes)).view(sizes);
}

retention::QuantizedRows quantised_rows(const torch::Tensor& x) {
  if (!carries_scales(x)) {
    std::ostringstream what;
    what
        << "[int8] a tensor of type " << x.dtype().name() << " and shape " << x.sizes()
        << " carries no scales of its rows; whole int8 activations of a prepared norm are accepted; pass floats to the "
           "linear map";
    throw InvalidArgument(what.str());
  }
  auto* values = static_cast<int8_t*>(x.mutable_data_ptr());
  return {values, reinterpret_cast<float*>(values + scales_offset(x.numel()))};
}

torch::Tensor dequantise(const torch::Tensor& x) {
  const auto rows = quantised_rows(x);
  const auto scales = torch::from_blob(rows.scales, {x.numel() / x.size(-1), 1}, at::kFloat);
  return (x.to(at::kFloat).view({-1, x.size(-1)}) * scales).view(x.sizes());
}

torch::Tensor quantise(const torch::Tensor& x) {
  if (x.scalar_type() == at::kChar) {
    quantised_rows(x);
    return x;
  }
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
