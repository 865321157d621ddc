#include <retention/base/op_profile.h>
#include <retention/kernels/cpe_layer_norm.h>
#include <retention/nn/detail/linear_gradient.h>
#include <retention/nn/detail/packed_call.h>
#include <retention/nn/detail/quantised.h>
#include <retention/nn/epilogue.h>
#include <retention/nn/groups.h>
#include <retention/ops/detail/elements.h>
#include <retention/ops/detail/shape_text.h>
#include <retention/ops/memory.h>

namespace retentive::nn {

torch::Tensor ConvBnGroup::forward(const torch::Tensor& x, Activation activation) {
  if (!packed_) return activate(norm_->forward(conv_->forward(x)), activation);
  conv_->check_no_grad(x);
  return detail::run_conv(*packed_, x, activation, output_type_);
}

void ConvBnGroup::prepare(Preparation& preparation, const std::string& child, bool float_output) {
  const auto [scale, shift] = norm_->affine();
  const auto& options = conv_->options();
  const packed::Conv2dShape shape{options.in_channels, options.out_channels, options.kernel, options.stride};
  packed_ = detail::pack_conv(preparation, child, shape, conv_->weight * scale.view({-1, 1, 1, 1}),
                              conv_->bias * scale + shift);
  output_type_ = float_output ? at::kFloat : preparation.activation_type();
  conv_->freeze(*conv_);
  norm_->freeze(*norm_);
}

torch::Tensor LinearBnGroup::forward(const torch::Tensor& x, Activation activation) {
  if (!packed_) return activate(norm_->forward(linear_->forward(x)), activation);
  linear_->check_no_grad(x);
  return detail::run_linear(*packed_, x, activation, {}, at::kFloat);
}

void LinearBnGroup::prepare(Preparation& preparation, const std::string& child) {
  const auto [scale, shift] = norm_->affine();
  packed_ =
      detail::pack_linear(preparation, child, linear_->weight * scale.unsqueeze(1), linear_->bias * scale + shift);
  linear_->freeze(*linear_);
  norm_->freeze(*norm_);
}

std::vector<torch::Tensor> ProjectionGroup::forward(const torch::Tensor& x) {
  if (!packed_) {
    const auto [weights, biases] = parameters();
    return detail::linear_maps(x, weights, biases);
  }
  parts_.front()->check_no_grad(x);
  const auto all = detail::run_linear(*packed_, x, Activation::none, {}, output_type_);  // [..., sum of out_i]
  return all.split_with_sizes(widths_, -1);
}

std::pair<std::vector<torch::Tensor>, std::vector<torch::Tensor>> ProjectionGroup::parameters() const {
  std::vector<torch::Tensor> weights, biases;
  for (const auto& part : parts_) {
    weights.push_back(part->weight);
    if (part->bias.defined()) biases.push_back(part->bias);
  }
  return {weights, biases};
}

void ProjectionGroup::prepare(Preparation& preparation, const std::string& child) {
  const auto [weights, biases] = parameters();
  for (const auto& weight : weights) widths_.push_back(weight.size(0));
  packed_ = detail::pack_linear(preparation, child, torch::cat(weights),
                                biases.empty() ? torch::Tensor() : torch::cat(biases));
  output_type_ = preparation.activation_type();
  for (auto& part : parts_) part->freeze(*part);
}

std::pair<torch::Tensor, torch::Tensor> ResidualConvNormGroup::forward(const torch::Tensor& x) {
  if (conv_->frozen() && conv_->kernel() == 3 && x.is_contiguous() && x.scalar_type() == at::kFloat) {
    using retentive::detail::elements;
    using retentive::detail::mutable_elements;
    conv_->check_no_grad(x);
    const OpTimer timer([&] { return "position + norm " + retentive::detail::map_text(x); },
                        static_cast<double>(x.numel() * 9), 3.0 * static_cast<double>(x.nbytes()));
    const retention::CpeNormProblem problem{.batch = x.size(0),
                                            .height = x.size(1),
                                            .width = x.size(2),
                                            .channels = x.size(3),
                                            .eps = static_cast<float>(norm_->eps())};
    const retention::CpeNormWeights weights{
        elements<float>(conv_->taps(/*add_input=*/true)), elements<float>(conv_->packed_bias()),
        elements<float>(norm_->packed_weight()), elements<float>(norm_->packed_bias())};
    const bool quantised = norm_->output_type() == at::kChar;
    auto position = pooled_empty(x.sizes(), at::kFloat);
    auto y = quantised ? detail::quantised_empty(x.sizes()) : pooled_empty(x.sizes(), norm_->output_type());
    const int threads = at::get_num_threads();
    if (quantised && retention::cpe_layer_norm(problem, elements<float>(x), weights, mutable_elements<float>(position),
                                               detail::quantised_rows(y), threads)) {
      return {position, y};
    }
    const bool done = retentive::detail::for_element_type(y.scalar_type(), [&](auto type) {
      return retention::cpe_layer_norm(problem, elements<float>(x), weights, mutable_elements<float>(position),
                                       mutable_elements<decltype(type)>(y), threads);
    });
    if (done) return {position, y};
  }
  const auto y = conv_->forward(x, {.add_input = true});
  return {y, norm_->forward(y)};
}

}  // namespace retentive::nn
