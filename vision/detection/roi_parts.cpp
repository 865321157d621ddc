#include <cmath>
#include <string>

#include <vision/detection/roi_heads.h>

namespace retentive::vision {

BoxHeadImpl::BoxHeadImpl(int64_t channels, int64_t pool, int64_t fc_dim, int64_t num_classes) {
  auto fcs = register_module("shared_fcs", std::make_shared<torch::nn::Module>());
  shared_fcs_.push_back(fcs->register_module("0", nn::Linear(channels * pool * pool, fc_dim)));
  shared_fcs_.push_back(fcs->register_module("1", nn::Linear(fc_dim, fc_dim)));
  fc_cls_ = register_module("fc_cls", nn::Linear(fc_dim, num_classes + 1));
  fc_reg_ = register_module("fc_reg", nn::Linear(fc_dim, num_classes * 4));
  fc_cls_->keep_output_float();
  fc_reg_->keep_output_float();
}

BoxHeadImpl::~BoxHeadImpl() = default;

std::pair<torch::Tensor, torch::Tensor> BoxHeadImpl::forward(const torch::Tensor& regions) {
  auto x = regions.flatten(1);  // [n, C * pool * pool]
  for (auto& fc : shared_fcs_) x = fc->forward(x, {.activation = Activation::relu});
  const auto deltas = fc_reg_->forward(x);
  return {fc_cls_->forward(x), deltas.view({deltas.size(0), deltas.size(1) / 4, 4})};
}

void BoxHeadImpl::initialize(at::Generator generator) {
  for (auto& fc : shared_fcs_) fc->initialize_xavier(1.0, generator);
  fc_cls_->initialize(0.01, generator);
  fc_reg_->initialize(0.001, generator);
}

MaskHeadImpl::MaskHeadImpl(int64_t channels, int64_t convs, int64_t width, int64_t num_classes) {
  auto list = register_module("convs", std::make_shared<torch::nn::Module>());
  for (int64_t i = 0; i < convs; ++i) {
    const nn::Conv2dOptions options{.in_channels = i == 0 ? channels : width, .out_channels = width};
    convs_.push_back(list->register_module(std::to_string(i), ConvLayer(options)));
  }
  upsample_ = register_module("upsample", nn::ConvTranspose2x2(convs == 0 ? channels : width, width));
  conv_logits_ = register_module(
      "conv_logits", nn::Conv2d(nn::Conv2dOptions{.in_channels = width, .out_channels = num_classes, .kernel = 1}));
  conv_logits_->keep_output_float();
}

MaskHeadImpl::~MaskHeadImpl() = default;

torch::Tensor MaskHeadImpl::forward(const torch::Tensor& regions) {
  auto x = regions.permute({0, 2, 3, 1});  // [n, pool, pool, C]
  for (auto& layer : convs_) x = layer->forward(x, Activation::relu);
  x = upsample_->forward(x, Activation::relu);
  return conv_logits_->forward(x).permute({0, 3, 1, 2});
}

void MaskHeadImpl::initialize(at::Generator generator) {
  const auto he = [&](nn::Conv2d& conv) {
    const auto fan_out = conv->options().out_channels * conv->options().kernel * conv->options().kernel;
    conv->initialize_normal(std::sqrt(2.0 / static_cast<double>(fan_out)), 0, generator);
  };
  for (auto& layer : convs_) he(layer->conv());
  upsample_->initialize(generator);
  he(conv_logits_);
}

}  // namespace retentive::vision
