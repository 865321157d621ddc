#include <torch/torch.h>

#include <retention/kernels/rotary.h>
#include <retention/ops/detail/elements.h>
#include <retention/ops/detail/token_rows.h>
#include <retention/ops/memory.h>
#include <retention/ops/retention.h>

namespace retentive {
namespace {

using at::Tensor;

Tensor composed(const Tensor& x, const Tensor& sin, const Tensor& cos, RotaryStyle style) {
  const auto s = sin.unsqueeze(-2), c = cos.unsqueeze(-2);  // [B, T, 1, D / 2]
  const bool interleaved = style == RotaryStyle::interleaved;
  const auto half = x.size(-1) / 2;
  const auto a = interleaved ? x.slice(-1, 0, x.size(-1), 2) : x.narrow(-1, 0, half);
  const auto b = interleaved ? x.slice(-1, 1, x.size(-1), 2) : x.narrow(-1, half, half);
  const auto first = a * c - b * s, second = a * s + b * c;
  if (!interleaved) return torch::cat({first, second}, -1).to(x.scalar_type());
  return torch::stack({first, second}, -1).flatten(-2).to(x.scalar_type());
}

// By the kernel; undefined where none runs.
Tensor turned(const Tensor& x, const Tensor& sin, const Tensor& cos, RotaryStyle style, bool back) {
  const auto type = x.scalar_type();
  if (!x.is_cpu() || x.numel() == 0 || sin.scalar_type() != at::kFloat) return {};
  const auto rows = detail::as_token_rows(x);
  const auto all = [&](const Tensor& table) {
    return table.expand({x.size(0), x.size(1), x.size(3) / 2}).contiguous();  // [B, T, D / 2]
  };
  const auto sines = all(sin), cosines = all(cos);
  const auto y = pooled_empty(x.sizes(), type);
  const retention::RotaryProblem problem{.tokens = x.size(0) * x.size(1),
                                         .heads = x.size(2),
                                         .dim = x.size(3),
                                         .style = style,
                                         .back = back,
                                         .x_stride = detail::token_distance(rows),
                                         .y_stride = detail::token_distance(y),
                                         .sin = sines.const_data_ptr<float>(),
                                         .cos = cosines.const_data_ptr<float>()};
  const bool done = detail::for_element_type(type, [&](auto element) {
    using T = decltype(element);
    return retention::rotary(problem, detail::elements<T>(rows), detail::mutable_elements<T>(y), at::get_num_threads());
  });
  return done ? y : Tensor();
}

Tensor rotate(const Tensor& x, const Tensor& sin, const Tensor& cos, RotaryStyle style, bool back) {
  const auto y = turned(x, sin, cos, style, back);
  return y.defined() ? y : composed(x, back ? -sin : sin, cos, style);
}

// The gradient of a rotation is the rotation back, which is differentiable alike.
struct Rotation : torch::autograd::Function<Rotation> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, const Tensor& sin,
                        const Tensor& cos, int64_t style, bool back) {
    context->save_for_backward({sin, cos});
    context->saved_data["style"] = style;
    context->saved_data["back"] = back;
    return rotate(x, sin, cos, static_cast<RotaryStyle>(style), back);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const bool back = !context->saved_data["back"].toBool();
    return {Rotation::apply(gradients[0], saved[0], saved[1], context->saved_data["style"].toInt(), back), Tensor(),
            Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

Tensor rotary(const Tensor& x, const Tensor& sin, const Tensor& cos, RotaryStyle style) {
  const bool gradient = x.requires_grad() && at::GradMode::is_enabled();
  if (gradient) return Rotation::apply(x, sin, cos, static_cast<int64_t>(style), false);
  return rotate(x, sin, cos, style, false);
}

}  // namespace retentive
