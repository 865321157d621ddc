#include <retention/base/op_profile.h>
#include <retention/kernels/depthwise.h>
#include <retention/nn/conv2d.h>
#include <retention/nn/epilogue.h>
#include <retention/ops/depthwise.h>
#include <retention/ops/detail/depthwise_paths.h>
#include <retention/ops/detail/elements.h>
#include <retention/ops/detail/shape_text.h>
#include <retention/ops/memory.h>

namespace retentive::nn {

namespace {

using retentive::detail::elements;
using retentive::detail::for_element_type;
using retentive::detail::mutable_elements;

torch::Tensor plain(const torch::Tensor& x, const DepthwiseCall& call, const torch::Tensor& weight,
                    const torch::Tensor& bias) {
  const bool gelu = call.input_activation == Activation::gelu;
  const auto input = gelu ? x : activate(x, call.input_activation);
  const auto addend = call.addend.defined() ? std::optional(call.addend) : std::nullopt;
  return depthwise_conv(input, weight, bias, addend, {.gelu_input = gelu, .add_input = call.add_input});
}

torch::Tensor pack_taps(const torch::Tensor& weight, bool add_identity) {
  const auto source = weight.to(at::kFloat).contiguous();
  const auto kernel = weight.size(2), channels = weight.size(0);
  auto taps = torch::empty({kernel * kernel, channels});
  retention::depthwise_pack(kernel, channels, source.const_data_ptr<float>(), {.add_identity = add_identity},
                            taps.mutable_data_ptr<float>());
  return taps;
}

}  // namespace

DepthwiseConv2dImpl::DepthwiseConv2dImpl(int64_t channels, int64_t kernel)
    : weight(register_parameter("weight", torch::empty({channels, 1, kernel, kernel}))),
      bias(register_parameter("bias", torch::empty({channels}))),
      kernel_(kernel) {}

DepthwiseConv2dImpl::~DepthwiseConv2dImpl() = default;

torch::Tensor DepthwiseConv2dImpl::forward(const torch::Tensor& x, const DepthwiseCall& call) {
  if (!frozen()) return plain(x, call, weight, bias);
  check_no_grad(x);
  const auto name = [&] { return "depthwise " + std::to_string(kernel_) + " " + retentive::detail::map_text(x); };
  const OpTimer timer(name, static_cast<double>(x.numel() * kernel_ * kernel_), 2.0 * static_cast<double>(x.nbytes()));
  const auto stride = retentive::detail::token_stride(x);
  const bool compact_addend = !call.addend.defined() || call.addend.is_contiguous();
  if (stride > 0 && compact_addend && call.input_activation != Activation::silu) {
    const retention::DepthwiseProblem problem{.batch = x.size(0),
                                              .height = x.size(1),
                                              .width = x.size(2),
                                              .channels = x.size(3),
                                              .kernel = kernel_,
                                              .x_token_stride = stride,
                                              .gelu_input = call.input_activation == Activation::gelu};
    auto out = call.addend.defined() ? call.addend : pooled_empty(x.sizes(), x.scalar_type());  // [B, H, W, C]
    const bool done = for_element_type(x.scalar_type(), [&](auto type) {
      using T = decltype(type);
      return retention::depthwise(problem, elements<T>(x), elements<float>(taps(call.add_input)),
                                  elements<float>(packed_bias_), elements<T>(call.addend), mutable_elements<T>(out),
                                  at::get_num_threads());
    });
    if (done) return out;
  }
  const auto kernel_weight = taps_.t().reshape({x.size(3), 1, kernel_, kernel_}).to(x.scalar_type());
  return plain(x, call, kernel_weight, packed_bias_.to(x.scalar_type()));
}

void DepthwiseConv2dImpl::initialize(at::Generator generator) { initialize_conv(weight, bias, generator); }

void DepthwiseConv2dImpl::prepare(Preparation& preparation) {
  if (frozen()) return;
  taps_ = pack_taps(weight, false);
  taps_with_input_ = pack_taps(weight, true);
  packed_bias_ = bias.to(at::kFloat).clone();
  const auto k = std::to_string(kernel_);
  preparation.report_kernel("depthwise " + k + "x" + k);
  freeze(*this);
}

void DepthwiseConv2dImpl::train(bool on) {
  check_train(on);
  Module::train(on);
}

}  // namespace retentive::nn
