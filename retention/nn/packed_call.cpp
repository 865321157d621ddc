#include <retention/base/error.h>
#include <retention/base/op_profile.h>
#include <retention/base/weight_bytes.h>
#include <retention/nn/detail/packed_call.h>
#include <retention/nn/detail/quantised.h>
#include <retention/ops/detail/elements.h>
#include <retention/ops/memory.h>

namespace retentive::nn::detail {
namespace {

packed::Element element_of(at::ScalarType type) {
  return type == at::kBFloat16 ? packed::Element::bf16 : packed::Element::f32;
}

at::ScalarType input_type(Precision precision) { return precision == Precision::bf16 ? at::kBFloat16 : at::kFloat; }

// pack(precision), or pack(fp32) with the reason when the library has nothing for `precision`.
template <class Pack>
auto pack_or_fall_back(Preparation& preparation, Precision precision, const std::string& child,
                       const std::string& operation, const Pack& pack) {
  std::string reason;
  auto packed = [&] {
    try {
      return pack(precision);
    } catch (const Unsupported& error) {
      if (precision == Precision::fp32) throw;
      reason = error.what();
      return pack(Precision::fp32);
    }
  }();
  preparation.report(child, operation, packed->precision(), packed->implementation(), reason);
  return packed;
}

std::string arrow(int64_t in, int64_t out) { return " " + std::to_string(in) + " -> " + std::to_string(out); }

}  // namespace

std::shared_ptr<const packed::Linear> pack_linear(Preparation& preparation, const std::string& child,
                                                  const torch::Tensor& weight, const torch::Tensor& bias) {
  return pack_linear(preparation, child, weight, bias, preparation.precision());
}

std::shared_ptr<const packed::Linear> pack_linear(Preparation& preparation, const std::string& child,
                                                  const torch::Tensor& weight, const torch::Tensor& bias,
                                                  Precision wanted) {
  const auto out = weight.size(0), in = weight.size(1);
  const auto w = weight.to(at::kFloat).contiguous();
  const auto b = bias.defined() ? bias.to(at::kFloat).contiguous() : bias;
  const auto pack = [&](Precision precision) {
    return std::make_shared<const packed::Linear>(in, out, precision, w.const_data_ptr<float>(),
                                                  retentive::detail::elements<float>(b));
  };
  return pack_or_fall_back(preparation, wanted, child, "linear" + arrow(in, out), pack);
}

std::shared_ptr<const packed::Conv2d> pack_conv(Preparation& preparation, const std::string& child,
                                                const packed::Conv2dShape& shape, const torch::Tensor& weight,
                                                const torch::Tensor& bias) {
  const auto w = weight.to(at::kFloat).contiguous(), b = bias.to(at::kFloat).contiguous();
  const auto k = std::to_string(shape.kernel);
  const auto operation = "conv " + k + "x" + k + arrow(shape.in_channels, shape.out_channels);
  const auto pack = [&](Precision precision) {
    return std::make_shared<const packed::Conv2d>(shape, precision, w.const_data_ptr<float>(),
                                                  b.const_data_ptr<float>());
  };
  return pack_or_fall_back(preparation, preparation.conv_precision(), child, operation, pack);
}

torch::Tensor run_linear(const packed::Linear& linear, const torch::Tensor& x, Activation activation,
                         const torch::Tensor& residual, at::ScalarType output) {
  auto shape = x.sizes().vec();
  const int64_t rows = x.numel() / shape.back();
  shape.back() = linear.out();
  const bool accumulate = residual.defined();
  const auto name = [&] { return "linear" + arrow(linear.in(), linear.out()); };
  const auto weights = static_cast<double>(linear.in() * linear.out());
  const auto moved = static_cast<double>(rows) * (static_cast<double>(linear.in() * x.element_size()) +
                                                  static_cast<double>(linear.out() * c10::elementSize(output)));
  const OpTimer timer(name, static_cast<double>(rows) * weights,
                      moved + weights * bytes_per_weight(linear.precision()));
  auto y = accumulate ? residual : pooled_empty(shape, output);  // [..., out]
  const packed::LinearCall call{.activation = activation,
                                .accumulate = accumulate,
                                .output = accumulate ? packed::Element::f32 : element_of(output),
                                .threads = at::get_num_threads()};
  if (linear.precision() == Precision::int8) {
    const auto input = quantise(x);
    const auto q = quantised_rows(input);
    linear.run(rows, q.values, q.scales, y.mutable_data_ptr(), call);
  } else {
    const auto floats = x.scalar_type() == at::kChar ? dequantise(x) : x;
    const auto input = floats.to(input_type(linear.precision())).contiguous();
    linear.run(rows, input.const_data_ptr(), nullptr, y.mutable_data_ptr(), call);
  }
  return y;
}

torch::Tensor run_conv(const packed::Conv2d& conv, const torch::Tensor& x, Activation activation,
                       at::ScalarType output) {
  const auto side = [&](int64_t n) { return (n + conv.shape().stride - 1) / conv.shape().stride; };
  const packed::Conv2dCall call{.batch = x.size(0),
                                .height = x.size(1),
                                .width = x.size(2),
                                .activation = activation,
                                .output = element_of(output),
                                .threads = at::get_num_threads()};
  const auto& shape = conv.shape();
  const auto name = [&] { return "conv" + arrow(shape.in_channels, shape.out_channels); };
  const auto taps = static_cast<double>(shape.kernel * shape.kernel * shape.in_channels * shape.out_channels);
  const auto pixels = static_cast<double>(call.batch * side(call.height) * side(call.width));
  const auto written = pixels * static_cast<double>(shape.out_channels * c10::elementSize(output));
  const OpTimer timer(name, pixels * taps,
                      static_cast<double>(x.nbytes()) + written + taps * bytes_per_weight(conv.precision()));
  const auto input = x.to(input_type(conv.precision())).contiguous();
  auto y = pooled_empty({call.batch, side(call.height), side(call.width), conv.shape().out_channels}, output);
  conv.run(input.const_data_ptr(), y.mutable_data_ptr(), call);
  return y;  // [B, h, w, out]
}

}  // namespace retentive::nn::detail
