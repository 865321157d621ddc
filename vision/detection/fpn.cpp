#include <string>

#include <retention/base/error.h>
#include <vision/detection/neck.h>

namespace retentive::vision {
namespace {

// Nearest neighbour to the size of `target` [B, h, w, C], as torch's interpolate rounds, then the sum.
torch::Tensor add_upsampled(const torch::Tensor& target, const torch::Tensor& coarse) {
  namespace F = torch::nn::functional;
  const auto size = std::vector<int64_t>{target.size(1), target.size(2)};
  const auto options = F::InterpolateFuncOptions().size(size).mode(torch::kNearest);
  return target + F::interpolate(coarse.permute({0, 3, 1, 2}), options).permute({0, 2, 3, 1});
}

}  // namespace

ConvLayerImpl::ConvLayerImpl(const nn::Conv2dOptions& options) : conv_(register_module("conv", nn::Conv2d(options))) {}

ConvLayerImpl::~ConvLayerImpl() = default;

NeckImpl::~NeckImpl() = default;

void append_top_levels(std::vector<torch::Tensor>& pyramid, const torch::Tensor& input,
                       const std::vector<nn::Conv2d>& convs) {
  using torch::indexing::None;
  using torch::indexing::Slice;
  if (convs.empty()) {
    const Slice even(None, None, 2);
    pyramid.push_back(pyramid.back().index({Slice(), even, even}).contiguous());
    return;
  }
  auto map = input;
  for (auto conv : convs) {
    map = conv->forward(map);
    pyramid.push_back(map);
  }
}

FpnImpl::FpnImpl(const std::vector<FeatureInfo>& inputs, int64_t channels, TopLevels top)
    : NeckImpl(channels), top_(top) {
  auto lateral = register_module("lateral_convs", std::make_shared<torch::nn::Module>());
  auto output = register_module("fpn_convs", std::make_shared<torch::nn::Module>());
  const auto add = [](auto& parent, std::vector<ConvLayer>& list, const nn::Conv2dOptions& options) {
    list.push_back(parent->register_module(std::to_string(list.size()), ConvLayer(options)));
  };
  for (const auto& input : inputs) {
    strides_.push_back(input.reduction);
    add(lateral, lateral_convs_, {.in_channels = input.channels, .out_channels = channels, .kernel = 1});
    add(output, fpn_convs_, {.in_channels = channels, .out_channels = channels});
  }
  const int64_t above = top == TopLevels::convolutions ? 2 : 1;
  for (int64_t i = 0; i < above; ++i) {
    strides_.push_back(2 * strides_.back());
    if (top == TopLevels::subsample) continue;
    const int64_t in = i == 0 ? inputs.back().channels : channels;
    add(output, fpn_convs_, {.in_channels = in, .out_channels = channels, .stride = 2});
  }
}

FpnImpl::~FpnImpl() = default;

std::vector<torch::Tensor> FpnImpl::forward(const std::vector<torch::Tensor>& maps) {
  const size_t count = lateral_convs_.size();
  if (maps.size() != count) {
    throw InvalidArgument("[fpn] " + std::to_string(maps.size()) + " maps are given; " + std::to_string(count) +
                          " are accepted, as the pyramid was built for");
  }
  std::vector<torch::Tensor> pyramid(count);
  torch::Tensor sum;
  for (size_t i = count; i-- > 0;) {
    const auto lateral = lateral_convs_[i]->forward(maps[i]);  // [B, h, w, C]
    sum = sum.defined() ? add_upsampled(lateral, sum) : lateral;
    pyramid[i] = fpn_convs_[i]->forward(sum);
  }
  std::vector<nn::Conv2d> above;
  for (size_t i = count; i < fpn_convs_.size(); ++i) above.push_back(fpn_convs_[i]->conv());
  append_top_levels(pyramid, maps.back(), above);
  return pyramid;
}

void FpnImpl::initialize(at::Generator generator) {
  for (auto* list : {&lateral_convs_, &fpn_convs_}) {
    for (auto& layer : *list) layer->conv()->initialize_xavier(generator);
  }
}

}  // namespace retentive::vision
