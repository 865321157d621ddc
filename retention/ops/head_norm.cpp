#include <torch/torch.h>

#include <retention/base/op_profile.h>
#include <retention/kernels/head_norm.h>
#include <retention/ops/detail/elements.h>
#include <retention/ops/detail/gradients.h>
#include <retention/ops/detail/token_rows.h>
#include <retention/ops/head_norm.h>
#include <retention/ops/memory.h>

namespace retentive {
namespace {

using at::Tensor;
using detail::elements;
using detail::mutable_elements;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

Tensor composed(const Tensor& x, const Tensor& gate, const Tensor& eps, const Tensor& weight) {
  const auto wide = x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  auto y = wide * torch::rsqrt(wide.square().mean(-1, true) + eps.to(wide.scalar_type()).unsqueeze(-1));
  if (weight.defined()) y = y * weight;
  return y.flatten(-2).to(gate.scalar_type()) * torch::silu(gate);
}

/// The tensors of one call as the kernel takes them: x [B, T, N, Dv], gate [B, T, N * Dv].
struct Inputs {
  Inputs(const Tensor& x_in, const Tensor& gate_in, const Tensor& eps_in, const Tensor& weight_in)
      : x(detail::as_token_rows(x_in)),
        gate(detail::as_token_rows(gate_in.unflatten(-1, {x_in.size(2), x_in.size(3)}))),
        eps(eps_in.to(at::kFloat).expand({x.size(0), x.size(1), x.size(2)}).contiguous()),
        weight(weight_in.defined() ? weight_in.to(at::kFloat).contiguous() : weight_in),
        problem{.tokens = x.size(0) * x.size(1),
                .heads = x.size(2),
                .dim = x.size(3),
                .x_stride = detail::token_distance(x),
                .g_stride = detail::token_distance(gate),
                .y_stride = x.size(2) * x.size(3),
                .row_eps = elements<float>(eps),
                .weight = elements<float>(weight)} {}

  Tensor x, gate, eps, weight;
  retention::HeadNormProblem problem;
};

// By the kernel; undefined where none runs.
Tensor normed(const Tensor& x, const Tensor& gate, const Tensor& eps, const Tensor& weight) {
  if (!x.is_cpu() || x.scalar_type() != at::kFloat || x.numel() == 0) return {};
  const Inputs in(x, gate, eps, weight);
  const OpTimer timer([] { return std::string("head norm + gate"); }, 0);
  const auto y = pooled_empty(gate.sizes(), gate.scalar_type());
  const bool done = detail::for_element_type(gate.scalar_type(), [&](auto type) {
    using T = decltype(type);
    return retention::head_norm_gate<T, T>(in.problem, elements<float>(in.x), elements<T>(in.gate),
                                           mutable_elements<T>(y), at::get_num_threads());
  });
  return done ? y : Tensor();
}

struct Function : torch::autograd::Function<Function> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& gate, const Tensor& eps,
                        const Tensor& weight) {
    context->save_for_backward({x, gate, eps, weight});
    const auto scale = given(weight);
    const auto y = normed(x, gate, eps, scale);
    return y.defined() ? y : composed(x, gate, eps, scale);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    auto result = at::GradMode::is_enabled() ? variable_list{} : fast(saved, gradients[0]);
    return result.empty() ? by_operators(saved, gradients[0]) : result;
  }

 private:
  // Undefined tensors cannot pass through a function of autograd: an empty weight stands for none.
  static Tensor given(const Tensor& weight) { return weight.numel() > 0 ? weight : Tensor(); }

  static variable_list fast(const variable_list& saved, const Tensor& dy_in) {
    if (saved[0].scalar_type() != at::kFloat || saved[1].scalar_type() != at::kFloat) return {};
    Inputs in(saved[0].contiguous(), saved[1].contiguous(), saved[2], given(saved[3]));
    const OpTimer timer([] { return std::string("head norm + gate gradient"); }, 0);
    const auto dy = dy_in.contiguous();
    const auto dx = torch::empty(in.x.sizes()), dgate = torch::empty(saved[1].sizes());
    const auto dweight = in.weight.defined() ? torch::empty(in.weight.sizes()) : Tensor();
    const auto bytes = retention::head_norm_gate_backward_workspace_bytes(in.problem);
    const auto workspace = BufferPool::shared().acquire(static_cast<size_t>(bytes));
    const bool done = retention::head_norm_gate_backward(
        in.problem, elements<float>(in.x), elements<float>(in.gate), elements<float>(dy), mutable_elements<float>(dx),
        mutable_elements<float>(dgate), dweight.defined() ? mutable_elements<float>(dweight) : nullptr, workspace.get(),
        at::get_num_threads());
    if (!done) return {};
    return {dx, dgate, Tensor(), dweight.defined() ? dweight.to(saved[3].scalar_type()) : dweight};
  }

  // In operators that can be differentiated again.
  static variable_list by_operators(const variable_list& saved, const Tensor& dy) {
    const bool again = at::GradMode::is_enabled();
    const at::AutoGradMode enabled(true);
    auto x = saved[0], gate = saved[1], weight = given(saved[3]);
    if (!again) {
      x = x.detach().requires_grad_();
      gate = gate.detach().requires_grad_();
      if (weight.defined()) weight = weight.detach().requires_grad_();
    }
    const variable_list all = {x, gate, Tensor(), weight};
    return detail::gradients_of({composed(x, gate, saved[2], weight)}, all, {dy}, again);
  }
};

}  // namespace

Tensor head_norm_gate(const Tensor& x, const Tensor& gate, const Tensor& eps, const Tensor& weight) {
  const auto wants = [](const Tensor& t) { return t.defined() && t.requires_grad(); };
  if (at::GradMode::is_enabled() && (wants(x) || wants(gate) || wants(weight))) {
    return Function::apply(x, gate, eps, weight.defined() ? weight : torch::empty({0}));
  }
  const auto y = normed(x, gate, eps, weight);
  return y.defined() ? y : composed(x, gate, eps, weight);
}

}  // namespace retentive
