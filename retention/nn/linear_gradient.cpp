#include <algorithm>

#include <retention/base/op_profile.h>
#include <retention/nn/detail/linear_gradient.h>
#include <retention/ops/detail/elements.h>
#include <retention/ops/memory.h>
#include <retention/packed/gemm.h>

namespace retentive::nn::detail {
namespace {

using retentive::detail::elements;
using retentive::detail::mutable_elements;
using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

int64_t rows_of(const Tensor& x) { return x.numel() / x.size(-1); }

std::string arrow(const Tensor& weight) {
  return std::to_string(weight.size(1)) + " -> " + std::to_string(weight.size(0));
}

double macs_of(const Tensor& x, const Tensor& weight) {
  return static_cast<double>(rows_of(x)) * static_cast<double>(weight.numel());
}

Tensor affine(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const OpTimer timer([&] { return "linear " + arrow(weight); }, macs_of(x, weight));
  auto shape = x.sizes().vec();
  shape.back() = weight.size(0);
  const auto y = pooled_empty(shape, at::kFloat);
  packed::affine(rows_of(x), weight.size(1), weight.size(0), elements<float>(x), elements<float>(weight.contiguous()),
                 elements<float>(bias.defined() ? bias.contiguous() : bias), mutable_elements<float>(y),
                 at::get_num_threads());
  return y;
}

// dx = or += dy W.
void input_gradient(const Tensor& dy, const Tensor& weight, const Tensor& dx, bool accumulate) {
  const OpTimer timer([&] { return "linear gradient of x " + arrow(weight); }, macs_of(dy, weight));
  packed::gemm({.rows = rows_of(dy), .columns = weight.size(1), .inner = weight.size(0)}, elements<float>(dy),
               elements<float>(weight.contiguous()), mutable_elements<float>(dx),
               {.accumulate = accumulate, .threads = at::get_num_threads()});
}

Tensor weight_gradient(const Tensor& dy, const Tensor& x, const Tensor& weight) {
  const OpTimer timer([&] { return "linear gradient of W " + arrow(weight); }, macs_of(dy, weight));
  auto gradient = torch::empty(weight.sizes(), weight.options().requires_grad(false));
  packed::gemm({.rows = weight.size(0), .columns = weight.size(1), .inner = rows_of(x), .transpose_a = true},
               elements<float>(dy), elements<float>(x), mutable_elements<float>(gradient),
               {.threads = at::get_num_threads()});
  return gradient;
}

Tensor row_sum(const Tensor& dy) { return dy.reshape({-1, dy.size(-1)}).sum(0); }

struct LinearMaps : torch::autograd::Function<LinearMaps> {
  static variable_list forward(AutogradContext* context, const Tensor& x, at::TensorList weights,
                               at::TensorList biases) {
    const auto input = x.contiguous();
    variable_list saved = {x}, outputs;
    for (size_t i = 0; i < weights.size(); ++i) {
      saved.push_back(weights[i]);
      outputs.push_back(affine(input, weights[i], biases.empty() ? Tensor() : biases[i]));
    }
    context->saved_data["biases"] = !biases.empty();
    context->save_for_backward(saved);
    return outputs;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    auto result = at::GradMode::is_enabled() ? composed(saved, gradients) : by_products(context, saved, gradients);
    const auto count = gradients.size();
    for (size_t i = 0; context->saved_data["biases"].toBool() && i < count; ++i) {
      result.push_back(context->needs_input_grad(1 + count + i) ? row_sum(gradients[i]) : Tensor());
    }
    return result;
  }

 private:
  static variable_list by_products(AutogradContext* context, const variable_list& saved,
                                   const variable_list& gradients) {
    const auto x = saved[0].contiguous();
    variable_list result = {Tensor()};
    if (context->needs_input_grad(0)) result[0] = pooled_empty(x.sizes(), at::kFloat);
    for (size_t i = 0; i < gradients.size(); ++i) {
      const auto& weight = saved[i + 1];
      const auto dy = gradients[i].contiguous();
      if (result[0].defined()) input_gradient(dy, weight, result[0], i > 0);
      result.push_back(context->needs_input_grad(1 + i) ? weight_gradient(dy, x, weight) : Tensor());
    }
    return result;
  }

  // In operators that can be differentiated again.
  static variable_list composed(const variable_list& saved, const variable_list& gradients) {
    const auto& x = saved[0];
    variable_list result = {Tensor()};
    for (size_t i = 0; i < gradients.size(); ++i) {
      const auto& weight = saved[i + 1];
      const auto& dy = gradients[i];
      const auto dx = torch::matmul(dy, weight);
      result[0] = i == 0 ? dx : result[0] + dx;
      result.push_back(dy.reshape({-1, dy.size(-1)}).t().mm(x.reshape({-1, x.size(-1)})));
    }
    return result;
  }
};

bool is_float(const Tensor& t) { return t.is_cpu() && t.scalar_type() == at::kFloat; }

}  // namespace

std::vector<Tensor> linear_maps(const Tensor& x, const std::vector<Tensor>& weights,
                                const std::vector<Tensor>& biases) {
  const bool by_products = is_float(x) && x.numel() > 0 && std::all_of(weights.begin(), weights.end(), is_float);
  if (by_products) return LinearMaps::apply(x, at::TensorList(weights), at::TensorList(biases));
  std::vector<Tensor> outputs;
  for (size_t i = 0; i < weights.size(); ++i) {
    outputs.push_back(torch::nn::functional::linear(x, weights[i], biases.empty() ? Tensor() : biases[i]));
  }
  return outputs;
}

}  // namespace retentive::nn::detail
