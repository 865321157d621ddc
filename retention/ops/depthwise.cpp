#include <string>

#include <torch/torch.h>

#include <retention/base/error.h>
#include <retention/ops/depthwise.h>
#include <retention/ops/detail/depthwise_paths.h>
#include <retention/ops/detail/shape_text.h>

namespace retentive {

using at::Tensor;
using detail::DepthwiseArguments;
using detail::shape_text;

namespace detail {

Tensor depthwise_composed(const DepthwiseArguments& a) {
  const auto t = a.options.gelu_input ? at::gelu(a.x) : a.x;
  const auto nchw = t.permute({0, 3, 1, 2});  // [B, C, H, W], channels-last in memory
  auto y = at::conv2d(nchw, a.weight, a.bias, 1, a.weight.size(2) / 2, 1, a.x.size(3)).permute({0, 2, 3, 1});
  if (a.options.add_input) y = t + y;
  return a.addend.defined() ? a.addend + y : y;  // [B, H, W, C]
}

int64_t token_stride(const Tensor& x) {
  const int64_t step = x.size(2) > 1 ? x.stride(2) : x.size(1) > 1 ? x.stride(1) : x.size(3);
  const bool rows = x.size(1) == 1 || x.stride(1) == step * x.size(2);
  const bool batches = x.size(0) == 1 || x.stride(0) == step * x.size(2) * x.size(1);
  const bool channels = x.size(3) == 1 || x.stride(3) == 1;
  return channels && rows && batches && step >= x.size(3) ? step : 0;
}

}  // namespace detail

namespace {

[[noreturn]] void fail(const std::string& what) { throw InvalidArgument("[depthwise_conv] " + what); }

void check_arguments(const DepthwiseArguments& a) {
  const auto& [x, weight, bias, addend, options] = a;
  if (x.dim() != 4 || x.numel() == 0) {
    fail("x is " + shape_text(x) + "; a non-empty [B, H, W, C] is accepted; permute a [B, C, H, W] map");
  }
  const auto channels = x.size(3);
  const bool kernel = weight.dim() == 4 && weight.size(1) == 1 && weight.size(2) == weight.size(3);
  if (!kernel || weight.size(0) != channels || weight.size(2) % 2 == 0) {
    fail("weight is " + shape_text(weight) + " but x is " + shape_text(x) + "; [" + std::to_string(channels) +
         ", 1, k, k] with an odd k is accepted");
  }
  if (bias.dim() != 1 || bias.size(0) != channels) {
    fail("bias is " + shape_text(bias) + " but x is " + shape_text(x) + "; pass [" + std::to_string(channels) + "]");
  }
  if (addend.defined() && addend.sizes() != x.sizes()) {
    fail("addend is " + shape_text(addend) + " but x is " + shape_text(x) + "; the two must have one shape");
  }
  for (const auto* t : {&x, &weight, &bias, &addend}) {
    if (!t->defined() || (x.is_floating_point() && t->dtype() == x.dtype())) continue;
    fail("x is " + std::string(x.dtype().name()) + " beside " + std::string(t->dtype().name()) +
         "; one floating dtype for all tensors is accepted");
  }
}

DepthwiseArguments checked(const Tensor& x, const Tensor& weight, const Tensor& bias,
                           const std::optional<Tensor>& addend, bool gelu_input, bool add_input) {
  DepthwiseArguments arguments{x, weight, bias, addend.value_or(Tensor()), {gelu_input, add_input}};
  check_arguments(arguments);
  return arguments;
}

Tensor composed(const Tensor& x, const Tensor& weight, const Tensor& bias, const std::optional<Tensor>& addend,
                bool gelu_input, bool add_input) {
  return detail::depthwise_composed(checked(x, weight, bias, addend, gelu_input, add_input));
}

Tensor cpu(const Tensor& x, const Tensor& weight, const Tensor& bias, const std::optional<Tensor>& addend,
           bool gelu_input, bool add_input) {
  const auto arguments = checked(x, weight, bias, addend, gelu_input, add_input);
  const auto out = detail::depthwise_fast(arguments);
  return out.defined() ? out : detail::depthwise_composed(arguments);
}

Tensor autograd(const Tensor& x, const Tensor& weight, const Tensor& bias, const std::optional<Tensor>& addend,
                bool gelu_input, bool add_input) {
  const bool wants_grad = x.requires_grad() || weight.requires_grad() || bias.requires_grad() ||
                          (addend && addend->defined() && addend->requires_grad());
  if (at::GradMode::is_enabled() && wants_grad) {
    return detail::depthwise_with_gradient(checked(x, weight, bias, addend, gelu_input, add_input));
  }
  const at::AutoDispatchBelowAutograd below;
  return cpu(x, weight, bias, addend, gelu_input, add_input);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(retentive, m) {
  m.def(
      "depthwise_conv(Tensor x, Tensor weight, Tensor bias, Tensor? addend=None, bool gelu_input=False, bool "
      "add_input=False) -> Tensor",
      torch::dispatch(c10::DispatchKey::CompositeImplicitAutograd, composed));
}

TORCH_LIBRARY_IMPL(retentive, CPU, m) { m.impl("depthwise_conv", cpu); }

TORCH_LIBRARY_IMPL(retentive, AutogradCPU, m) { m.impl("depthwise_conv", autograd); }

Tensor depthwise_conv(const Tensor& x, const Tensor& weight, const Tensor& bias, const std::optional<Tensor>& addend,
                      const DepthwiseOptions& options) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("retentive::depthwise_conv", "").typed<decltype(composed)>();
  return op.call(x, weight, bias, addend, options.gelu_input, options.add_input);
}

}  // namespace retentive
