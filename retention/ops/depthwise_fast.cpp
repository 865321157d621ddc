#include <torch/torch.h>

#include <retention/base/cpu_isa.h>
#include <retention/base/op_profile.h>
#include <retention/kernels/activation.h>
#include <retention/kernels/depthwise.h>
#include <retention/kernels/depthwise_backward.h>
#include <retention/ops/detail/depthwise_paths.h>
#include <retention/ops/detail/elements.h>
#include <retention/ops/detail/shape_text.h>
#include <retention/ops/memory.h>

namespace retentive::detail {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool kernels_take(const DepthwiseArguments& a) {
  const auto kernel = a.weight.size(2);
  return a.x.scalar_type() == at::kFloat && (kernel == 3 || kernel == 5) && cpu_isa() != Isa::portable;
}

retention::DepthwiseProblem problem_of(const Tensor& x, int64_t kernel, bool gelu_input) {
  return {.batch = x.size(0),
          .height = x.size(1),
          .width = x.size(2),
          .channels = x.size(3),
          .kernel = kernel,
          .x_token_stride = token_stride(x),
          .gelu_input = gelu_input};
}

Tensor pack(const Tensor& weight, const retention::DepthwisePacking& packing) {
  const auto source = weight.contiguous();
  const auto kernel = weight.size(2), channels = weight.size(0);
  const auto taps = at::empty({kernel * kernel, channels}, weight.options());
  retention::depthwise_pack(kernel, channels, elements<float>(source), packing, mutable_elements<float>(taps));
  return taps;
}

Tensor as_tokens(const Tensor& x) { return token_stride(x) > 0 ? x : x.contiguous(); }

// The gradient for x.
Tensor input_gradient(const Tensor& x, const Tensor& weight, const Tensor& dy, const DepthwiseOptions& options) {
  const auto taps = pack(weight, {.add_identity = options.add_input, .flip = true});
  const auto dx = pooled_empty(dy.sizes(), at::kFloat);
  const auto problem = problem_of(dy, weight.size(2), false);
  const int threads = at::get_num_threads();
  auto* out = mutable_elements<float>(dx);
  retention::depthwise(problem, elements<float>(dy), elements<float>(taps), nullptr, nullptr, out, threads);
  if (options.gelu_input) {
    retention::gelu_backward(dx.numel(), elements<float>(x.contiguous()), elements<float>(dx), out, threads);
  }
  return dx;
}

// The gradients for weight and bias.
std::pair<Tensor, Tensor> weight_gradients(const Tensor& x, const Tensor& weight, const Tensor& dy, bool gelu_input) {
  const auto kernel = weight.size(2), channels = weight.size(0);
  const auto taps = at::empty({kernel * kernel, channels}, weight.options());
  const auto dbias = at::empty({channels}, weight.options());
  const auto tokens = as_tokens(x);
  retention::depthwise_backward_weight(problem_of(tokens, kernel, gelu_input), elements<float>(tokens),
                                       elements<float>(dy), mutable_elements<float>(taps),
                                       mutable_elements<float>(dbias), at::get_num_threads());
  return {taps.t().reshape(weight.sizes()), dbias};
}

// The kernels in both directions. A gradient of the gradient goes through the composed form.
struct Function : torch::autograd::Function<Function> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const std::optional<Tensor>& addend, bool gelu_input, bool add_input) {
    context->save_for_backward({x, weight});
    context->saved_data["gelu_input"] = gelu_input;
    context->saved_data["add_input"] = add_input;
    context->saved_data["addend"] = addend.has_value();
    const at::AutoDispatchBelowAutograd below;
    return depthwise_fast({x, weight, bias, addend.value_or(Tensor()), {gelu_input, add_input}});
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1], &dy = gradients[0];
    const DepthwiseOptions options{context->saved_data["gelu_input"].toBool(),
                                   context->saved_data["add_input"].toBool()};
    const auto result = at::GradMode::is_enabled() ? composed(x, weight, dy, options)
                                                   : by_kernels(context, x, weight, dy.contiguous(), options);
    const auto daddend = context->saved_data["addend"].toBool() ? dy : Tensor();
    return {result[0], result[1], result[2], daddend, Tensor(), Tensor()};
  }

 private:
  static variable_list by_kernels(AutogradContext* context, const Tensor& x, const Tensor& weight, const Tensor& dy,
                                  const DepthwiseOptions& options) {
    const OpTimer timer([&] { return "depthwise gradient " + std::to_string(weight.size(2)) + " " + map_text(x); },
                        2.0 * static_cast<double>(x.numel() * weight.size(2) * weight.size(3)));
    Tensor dx;
    if (context->needs_input_grad(0)) dx = input_gradient(x, weight, dy, options);
    if (!context->needs_input_grad(1) && !context->needs_input_grad(2)) return {dx, Tensor(), Tensor()};
    const auto [dweight, dbias] = weight_gradients(x, weight, dy, options.gelu_input);
    return {dx, dweight, dbias};
  }

  static variable_list composed(Tensor x, Tensor weight, const Tensor& dy, const DepthwiseOptions& options) {
    if (!x.requires_grad()) x = x.detach().requires_grad_();
    if (!weight.requires_grad()) weight = weight.detach().requires_grad_();
    const auto bias = at::zeros({weight.size(0)}, weight.options()).requires_grad_();
    const auto y = depthwise_composed({x, weight, bias, Tensor(), options});
    return torch::autograd::grad({y}, {x, weight, bias}, {dy}, std::nullopt, /*create_graph=*/true);
  }
};

}  // namespace

Tensor depthwise_fast(const DepthwiseArguments& a) {
  if (!kernels_take(a)) return {};
  const auto kernel = a.weight.size(2);
  const OpTimer timer([&] { return "depthwise " + std::to_string(kernel) + " " + map_text(a.x); },
                      static_cast<double>(a.x.numel() * kernel * kernel));
  const auto x = as_tokens(a.x), bias = a.bias.contiguous();
  const auto addend = a.addend.defined() ? a.addend.contiguous() : Tensor();
  const auto taps = pack(a.weight, {.add_identity = a.options.add_input});
  const auto out = pooled_empty(x.sizes(), at::kFloat);  // [B, H, W, C]
  retention::depthwise(problem_of(x, kernel, a.options.gelu_input), elements<float>(x), elements<float>(taps),
                       elements<float>(bias), elements<float>(addend), mutable_elements<float>(out),
                       at::get_num_threads());
  return out;
}

Tensor depthwise_with_gradient(const DepthwiseArguments& a) {
  if (!kernels_take(a)) return depthwise_composed(a);
  const auto addend = a.addend.defined() ? std::optional(a.addend) : std::nullopt;
  return Function::apply(a.x, a.weight, a.bias, addend, a.options.gelu_input, a.options.add_input);
}

}  // namespace retentive::detail
