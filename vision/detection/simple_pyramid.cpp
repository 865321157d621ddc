#include <algorithm>
#include <string>

#include <retention/base/error.h>
#include <vision/detection/neck.h>

namespace retentive::vision {
namespace {

constexpr double kNormEps = 1e-6;
constexpr int64_t kLevels = 4;

}  // namespace

SimplePyramidImpl::Level SimplePyramidImpl::make_level(int64_t scale, int64_t in_channels) {
  const auto prefix = "level" + std::to_string(levels_.size()) + "_";
  const auto name = [&](const char* part) { return prefix + part; };
  Level level;
  int64_t width = in_channels;
  for (int64_t grown = 0; grown < scale; ++grown) {
    if (grown == 1) level.between = register_module(name("between"), nn::LayerNorm(width, kNormEps));
    const int64_t next = std::max<int64_t>(width / 2, 1);
    level.doublings.push_back(
        register_module(name("doubling") + std::to_string(grown), nn::ConvTranspose2x2(width, next)));
    width = next;
  }
  level.halved = scale < 0;
  level.reduce = register_module(
      name("reduce"), nn::Conv2d(nn::Conv2dOptions{.in_channels = width, .out_channels = channels_, .kernel = 1}));
  level.reduce_norm = register_module(name("reduce_norm"), nn::LayerNorm(channels_, kNormEps));
  level.smooth = register_module(name("smooth"),
                                 nn::Conv2d(nn::Conv2dOptions{.in_channels = channels_, .out_channels = channels_}));
  level.smooth_norm = register_module(name("smooth_norm"), nn::LayerNorm(channels_, kNormEps));
  return level;
}

SimplePyramidImpl::SimplePyramidImpl(const FeatureInfo& input, int64_t first_level, int64_t channels, TopLevels top)
    : NeckImpl(channels), top_(top) {
  for (int64_t i = first_level; i < kLevels; ++i) {
    const int64_t scale = 2 - i;  // doublings: 2, 1, 0, then one halving
    strides_.push_back(scale >= 0 ? std::max<int64_t>(input.reduction >> scale, 1) : 2 * input.reduction);
    levels_.push_back(make_level(scale, input.channels));
  }
  const int64_t above = top == TopLevels::convolutions ? 2 : 1;
  for (int64_t i = 0; i < above; ++i) {
    strides_.push_back(2 * strides_.back());
    if (top == TopLevels::subsample) continue;
    const nn::Conv2dOptions options{.in_channels = channels, .out_channels = channels, .stride = 2};
    top_convs_.push_back(register_module("top" + std::to_string(i), nn::Conv2d(options)));
  }
}

SimplePyramidImpl::~SimplePyramidImpl() = default;

torch::Tensor SimplePyramidImpl::run_level(Level& level, torch::Tensor x) {
  for (size_t i = 0; i < level.doublings.size(); ++i) {
    if (i == 1) x = torch::gelu(level.between->forward(x));
    x = level.doublings[i]->forward(x);
  }
  if (level.halved) {
    const auto nchw = x.permute({0, 3, 1, 2});
    x = torch::max_pool2d(nchw, 2, 2, 0, 1, /*ceil_mode=*/true).permute({0, 2, 3, 1});
  }
  x = level.reduce_norm->forward(level.reduce->forward(x));
  return level.smooth_norm->forward(level.smooth->forward(x));
}

std::vector<torch::Tensor> SimplePyramidImpl::forward(const std::vector<torch::Tensor>& maps) {
  if (maps.size() != 1) {
    throw InvalidArgument("[simple pyramid] " + std::to_string(maps.size()) + " maps are given; one is accepted");
  }
  std::vector<torch::Tensor> pyramid;
  for (auto& level : levels_) pyramid.push_back(run_level(level, maps.front()));
  append_top_levels(pyramid, pyramid.back(), top_convs_);
  return pyramid;
}

void SimplePyramidImpl::initialize(at::Generator generator) {
  for (const auto& module : modules(/*include_self=*/false)) {
    if (auto* conv = module->as<nn::Conv2dImpl>()) conv->initialize_xavier(generator);
    if (auto* conv = module->as<nn::ConvTranspose2x2Impl>()) conv->initialize(generator);
    if (auto* norm = module->as<nn::LayerNormImpl>()) norm->initialize();
  }
}

}  // namespace retentive::vision
