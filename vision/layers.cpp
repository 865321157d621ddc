#include <vision/layers.h>

namespace retentive::vision {

DepthwiseConvImpl::DepthwiseConvImpl(int64_t channels, int64_t kernel)
    : conv_(register_module("conv", nn::DepthwiseConv2d(channels, kernel))) {}

DepthwiseConvImpl::~DepthwiseConvImpl() = default;

torch::Tensor DepthwiseConvImpl::forward(const torch::Tensor& x, const nn::DepthwiseCall& call) {
  return conv_->forward(x, call);
}

ConvFeedForwardImpl::ConvFeedForwardImpl(int64_t channels, int64_t hidden)
    : fc1_(register_module("fc1", nn::Linear(channels, hidden))),
      fc2_(register_module("fc2", nn::Linear(hidden, channels))),
      dwconv_(register_module("dwconv", DepthwiseConv(hidden, 3))) {}

ConvFeedForwardImpl::~ConvFeedForwardImpl() = default;

torch::Tensor ConvFeedForwardImpl::forward(const torch::Tensor& x, const nn::Epilogue& epilogue) {
  auto hidden = fc1_->forward(x);  // [B, H, W, F]
  hidden = dwconv_->forward(hidden, {.input_activation = Activation::gelu, .add_input = true});
  return fc2_->forward(hidden, epilogue);  // [B, H, W, C]
}

ConvStemImpl::ConvStemImpl(int64_t in_channels, int64_t channels) {
  const int64_t half = channels / 2;
  const std::vector<nn::Conv2dOptions> convs = {{.in_channels = in_channels, .out_channels = half, .stride = 2},
                                                {.in_channels = half, .out_channels = half},
                                                {.in_channels = half, .out_channels = channels, .stride = 2},
                                                {.in_channels = channels, .out_channels = channels}};
  // The official stem is a sequence whose every third entry is the parameterless GELU.
  auto proj = register_module("proj", std::make_shared<torch::nn::Module>());
  for (size_t i = 0; i < convs.size(); ++i) {
    const auto conv = proj->register_module(std::to_string(3 * i), nn::Conv2d(convs[i]));
    const auto norm = proj->register_module(std::to_string(3 * i + 1), nn::BatchNorm(convs[i].out_channels));
    steps_.emplace_back(conv, norm);
  }
}

ConvStemImpl::~ConvStemImpl() = default;

torch::Tensor ConvStemImpl::forward(const torch::Tensor& image) {
  auto x = image.permute({0, 2, 3, 1}).contiguous();  // [B, H, W, in]
  for (auto& step : steps_) x = step.forward(x, &step == &steps_.back() ? Activation::none : Activation::gelu);
  return x;  // [B, H/4, W/4, C]
}

void ConvStemImpl::prepare(nn::Preparation& preparation) {
  for (size_t i = 0; i < steps_.size(); ++i) {
    const bool residual_stream = i + 1 == steps_.size();
    steps_[i].prepare(preparation, "proj." + std::to_string(3 * i), residual_stream);
  }
}

DownsampleImpl::DownsampleImpl(int64_t in_channels, int64_t out_channels)
    : reduction_(register_module(
          "reduction",
          nn::Conv2d(nn::Conv2dOptions{.in_channels = in_channels, .out_channels = out_channels, .stride = 2}))),
      norm_(register_module("norm", nn::BatchNorm(out_channels))),
      step_(reduction_, norm_) {}

DownsampleImpl::~DownsampleImpl() = default;

torch::Tensor DownsampleImpl::forward(const torch::Tensor& x) { return step_.forward(x); }

void DownsampleImpl::prepare(nn::Preparation& preparation) {
  step_.prepare(preparation, "reduction", /*float_output=*/true);
}

}  // namespace retentive::vision
