#include <algorithm>
#include <numeric>

#include <retention/base/error.h>
#include <retention/ops/detail/shape_text.h>
#include <vision/rmt.h>
#include <vision/scan_retention.h>

namespace retentive::vision {
namespace {

using retentive::detail::shape_text;

constexpr int64_t kStemStride = 4;
constexpr int64_t kMixUnit = 8;  // stem tokens per side of a mix unit = one token of the last stage

torch::Tensor to_nchw(const torch::Tensor& x) { return x.permute({0, 3, 1, 2}); }
torch::Tensor to_nhwc(const torch::Tensor& x) { return x.permute({0, 2, 3, 1}); }

// Exchanges the box (in map positions) of a channels-last map between the batch and its reverse.
torch::Tensor exchange(const torch::Tensor& map, const MixBox& box, int64_t unit) {
  using torch::indexing::Slice;
  auto mixed = map.clone();
  const Slice rows(box.top * unit, box.bottom * unit), columns(box.left * unit, box.right * unit);
  mixed.index_put_({Slice(), rows, columns}, map.flip(0).index({Slice(), rows, columns}));
  return mixed;
}

}  // namespace

RmtImpl::RmtImpl(const RmtConfig& config) : config_(config) {
  config.validate();
  patch_embed_ = register_module("patch_embed", ConvStem(config.in_channels, config.embed_dims[0]));
  auto layers = register_module("layers", std::make_shared<torch::nn::Module>());
  const auto total = std::accumulate(config.depths.begin(), config.depths.end(), int64_t{0});
  int64_t block = 0;
  for (int64_t s = 0; s < 4; ++s) {
    std::vector<double> drop_path;
    for (int64_t b = 0; b < config.depths[s]; ++b, ++block) {
      drop_path.push_back(config.drop_path_rate * static_cast<double>(block) / static_cast<double>(total - 1));
    }
    stages_.push_back(layers->register_module(std::to_string(s), RmtStage(config, s, drop_path)));
  }
  const auto width = config.embed_dims[3];
  if (config.head == RmtHead::none) {
    auto norms = register_module("extra_norms", std::make_shared<torch::nn::Module>());
    for (int64_t s = 0; s < 4; ++s) {
      extra_norms_.push_back(norms->register_module(std::to_string(s), nn::LayerNorm(config.embed_dims[s], 1e-5)));
    }
    return;
  }
  proj_ = register_module("proj", nn::Linear(width, config.projection_dim));
  norm_ = register_module("norm", nn::BatchNorm(config.projection_dim));
  projection_ = nn::LinearBnGroup(proj_, norm_);
  if (config.num_classes == 0) return;
  head_ = register_module("head", nn::Linear(config.projection_dim, config.num_classes));
  if (config.head == RmtHead::token_label) {
    aux_head_ = register_module("aux_head", nn::Linear(width, config.num_classes));
  }
}

RmtImpl::~RmtImpl() = default;

torch::Tensor RmtImpl::forward_features(const torch::Tensor& image) { return to_nchw(run_stages(run_stem(image))); }

torch::Tensor RmtImpl::forward_head(const torch::Tensor& features, bool pre_logits) {
  if (config_.head == RmtHead::none) {
    throw StateError(
        "[rmt] this model has no head (config head = \"none\"); call forward_pyramid or "
        "forward_intermediates, or build it with head = \"classifier\"");
  }
  const auto tokens = to_nhwc(features);  // [B, h, w, C]
  const auto pooled = pool(tokens);       // [B, P]
  if (pre_logits || head_.is_empty()) return pooled;
  const auto logits = head_->forward(pooled);
  if (aux_head_.is_empty()) return logits;
  return logits + 0.5 * aux_head_->forward(tokens).flatten(1, 2).amax(1);  // [B, classes]
}

std::vector<torch::Tensor> RmtImpl::forward_intermediates(const torch::Tensor& image,
                                                          const std::vector<int64_t>& indices, Layout layout) {
  if (const auto fault = stage_list_fault(indices)) {
    throw InvalidArgument("[rmt] forward_intermediates: indices" + *fault);
  }
  std::vector<torch::Tensor> maps;
  if (indices.empty()) return maps;
  auto x = run_stem(image);
  for (int64_t s = 0; s <= indices.back(); ++s) {
    if (s > 0) x = stages_[s - 1]->downsample(x);
    x = stages_[s]->forward_blocks(x);
    if (std::find(indices.begin(), indices.end(), s) == indices.end()) continue;
    const auto map = extra_norms_.empty() ? x : extra_norms_[s]->forward(x);
    maps.push_back(layout == Layout::nchw ? to_nchw(map) : map);
  }
  return maps;
}

std::vector<torch::Tensor> RmtImpl::forward_pyramid(const torch::Tensor& image) {
  return forward_intermediates(image, config_.out_indices);
}

TokenLabelLogits RmtImpl::forward_token_label(const torch::Tensor& image, const std::optional<MixBox>& mix) {
  if (aux_head_.is_empty()) {
    throw StateError("[rmt] this model has no auxiliary head; build it with head = \"token_label\"");
  }
  auto x = run_stem(image);
  if (mix) {
    const auto rows = x.size(1), columns = x.size(2);
    if (rows % kMixUnit != 0 || columns % kMixUnit != 0 || mix->top < 0 || mix->left < 0 || mix->top > mix->bottom ||
        mix->left > mix->right || mix->bottom * kMixUnit > rows || mix->right * kMixUnit > columns) {
      throw InvalidArgument("[rmt] the stem's map is " + shape_text(x) +
                            "; mixing needs sides that are multiples of 8 and a box inside them; use images whose "
                            "sides are multiples of 32");
    }
    x = exchange(x, *mix, kMixUnit);
  }
  const auto tokens = run_stages(x);  // [B, h, w, C]
  auto aux = aux_head_->forward(tokens);
  if (mix) aux = exchange(aux, *mix, 1);
  return {head_->forward(pool(tokens)), aux.flatten(1, 2)};
}

torch::Tensor RmtImpl::run_stem(const torch::Tensor& image) {
  if (image.dim() != 4 || image.size(1) != config_.in_channels || image.numel() == 0) {
    throw InvalidArgument("[rmt] image is " + shape_text(image) + "; a non-empty [B, " +
                          std::to_string(config_.in_channels) + ", H, W] is accepted");
  }
  return patch_embed_->forward(image);
}

torch::Tensor RmtImpl::run_stages(torch::Tensor x) {
  for (size_t s = 0; s < stages_.size(); ++s) {
    if (s > 0) x = stages_[s - 1]->downsample(x);
    x = stages_[s]->forward_blocks(x);
  }
  return x;  // [B, h, w, C]
}

torch::Tensor RmtImpl::pool(const torch::Tensor& tokens) {
  return projection_.forward(tokens, Activation::silu).mean({1, 2});  // [B, P]
}

std::vector<FeatureInfo> RmtImpl::feature_info() const {
  std::vector<FeatureInfo> info;
  for (size_t s = 0; s < stages_.size(); ++s) {
    info.push_back({"stage" + std::to_string(s + 1), config_.embed_dims[s], kStemStride << s});
  }
  return info;
}

std::vector<ShapeSpec> RmtImpl::output_shape(int64_t height, int64_t width) const {
  std::vector<ShapeSpec> shapes;
  for (const auto& info : feature_info()) {
    const auto side = [&](int64_t n) { return (n + info.reduction - 1) / info.reduction; };
    shapes.push_back({info.channels, side(height), side(width), info.reduction});
  }
  return shapes;
}

void RmtImpl::reset_classifier(int64_t num_classes, at::Generator generator) {
  if (config_.head == RmtHead::none) {
    throw StateError("[rmt] a model without head (config head = \"none\") has no classifier to reset");
  }
  auto config = config_;
  config.num_classes = num_classes;
  config.validate();
  config_ = config;
  const auto replace = [&](const char* name, nn::Linear& linear, int64_t width) {
    if (!linear.is_empty()) unregister_module(name);
    linear = num_classes == 0 ? nn::Linear(nullptr) : register_module(name, nn::Linear(width, num_classes));
    if (!linear.is_empty()) linear->initialize(0.02, generator);
  };
  replace("head", head_, config_.projection_dim);
  if (config_.head == RmtHead::token_label) replace("aux_head", aux_head_, config_.embed_dims[3]);
}

void RmtImpl::initialize(at::Generator generator) {
  for (const auto& module : modules()) {
    if (auto* linear = module->as<nn::LinearImpl>()) linear->initialize(0.02, generator);
    if (auto* conv = module->as<nn::Conv2dImpl>()) conv->initialize(generator);
    if (auto* conv = module->as<nn::DepthwiseConv2dImpl>()) conv->initialize(generator);
    if (auto* norm = module->as<nn::LayerNormImpl>()) norm->initialize();
    if (auto* norm = module->as<nn::BatchNormImpl>()) norm->initialize();
    if (auto* block = module->as<RmtBlockImpl>()) block->initialize();
  }
}

int64_t RmtImpl::num_layers() const {
  return std::accumulate(config_.depths.begin(), config_.depths.end(), int64_t{2});
}

int64_t RmtImpl::layer_of(const std::string& name) const {
  if (name.starts_with("patch_embed.")) return 0;
  if (!name.starts_with("layers.")) return num_layers() - 1;
  const int64_t stage = std::stoll(name.substr(7));
  const auto first = std::accumulate(config_.depths.begin(), config_.depths.begin() + stage, int64_t{1});
  const auto rest = name.substr(name.find('.', 7) + 1);
  if (rest.starts_with("blocks.")) return first + std::stoll(rest.substr(7));
  return first + config_.depths[stage] - 1;  // downsampling learns with the last block before it
}

void RmtImpl::prepare(nn::Preparation& preparation) {
  if (!proj_.is_empty()) projection_.prepare(preparation, "proj");
  for (auto* head : {&head_, &aux_head_}) {
    if (!head->is_empty()) (*head)->keep_output_float();
  }
  for (auto& norm : extra_norms_) norm->keep_output_float();
}

void RmtImpl::set_grad_checkpointing(bool enabled) {
  for (auto& stage : stages_) stage->set_grad_checkpointing(enabled);
}

void RmtImpl::set_form(Form form) {
  if (config_.mixer != RmtMixer::retention && form != Form::auto_) {
    throw Unsupported("[rmt] form is \"" + std::string(enum_name(form)) +
                      "\", but the mixer is MaSA, which has no such forms; use \"auto\"");
  }
  form_ = form;
  for (const auto& module : modules()) {
    if (auto* retention = module->as<ScanRetentionImpl>()) retention->set_form(form);
  }
}

}  // namespace retentive::vision
