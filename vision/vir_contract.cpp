#include <string>

#include <retention/base/error.h>
#include <retention/base/retention_cost.h>
#include <vision/vir.h>

namespace retentive::vision {
namespace {

// Up to as many tokens `auto` takes all at once; see docs/vir.md for the measurement.
constexpr int64_t kAutoParallelTokens = 512;
constexpr int64_t kChunk = 512;
constexpr int64_t kGridChunk = 256;

// Products of one head of retention besides its linear maps, see retention/ops/{retention,grid_retention}.h.
int64_t mixer_macs(const VirConfig& config, int64_t tokens, int64_t width, Form form, int64_t chunk,
                   MaskedProducts masked) {
  const int64_t dim = config.head_dim();
  const auto worked_on = config.decay_dims == 1 ? retention_chunk(chunk, dim, dim) : chunk;
  const auto total = retention_macs({tokens, dim, dim, worked_on}, form, masked);
  if (config.decay_dims == 1 || form != Form::chunkwise) return total;
  return total + (tokens + chunk - 1) / chunk * width * width * dim * dim;
}

}  // namespace

Form VirImpl::resolve(Form form, int64_t tokens) const {
  const bool softmax = config_.mixer == MixerKind::attention || config_.release_softmax;
  if (softmax && form != Form::auto_ && form != Form::parallel) {
    throw Unsupported("[vir] form is \"" + std::string(enum_name(form)) + "\", but " +
                      (config_.release_softmax ? "release_softmax is set" : "the mixer is softmax attention") +
                      ", which has the parallel form alone; use \"parallel\" or \"auto\"");
  }
  if (form != Form::auto_) return form;
  return softmax || tokens <= kAutoParallelTokens ? Form::parallel : Form::chunkwise;
}

void VirImpl::set_call(const VirCall& call) {
  resolve(call.form, 1);
  chunk_of(call, 1);
  call_ = call;
}

int64_t VirImpl::chunk_of(const VirCall& call, int64_t columns) const {
  if (call.chunk < 0) {
    throw InvalidArgument("[vir] chunk is " + std::to_string(call.chunk) + "; 0 (the default) or more is accepted");
  }
  if (config_.decay_dims == 1) return call.chunk > 0 ? call.chunk : kChunk;
  const auto rows = ((call.chunk > 0 ? call.chunk : kGridChunk) - 1) / columns + 1;
  return rows * columns;
}

int64_t VirImpl::tokens(int64_t height, int64_t width) const {
  const auto grid = config_.grid(height, width);
  return grid[0] * grid[1] + 1;
}

std::vector<FeatureInfo> VirImpl::feature_info() const {
  std::vector<FeatureInfo> info;
  for (int64_t i = 0; i < config_.depth; ++i) {
    info.push_back({"block" + std::to_string(i + 1), config_.dim, config_.patch_size});
  }
  return info;
}

std::vector<ShapeSpec> VirImpl::output_shape(int64_t height, int64_t width) const {
  const auto grid = config_.grid(height, width);
  const ShapeSpec shape{config_.dim, grid[0], grid[1], config_.patch_size};
  return std::vector<ShapeSpec>(static_cast<size_t>(config_.depth), shape);
}

int64_t VirImpl::macs(int64_t height, int64_t width, const VirCall& call) const {
  return count_macs(height, width, call, MaskedProducts::counted);
}

int64_t VirImpl::useful_macs(int64_t height, int64_t width) const {
  const bool causal = config_.mixer == MixerKind::retention && config_.decay_dims == 1 && !config_.release_softmax;
  return count_macs(height, width, call_, causal ? MaskedProducts::left_out : MaskedProducts::counted);
}

int64_t VirImpl::count_macs(int64_t height, int64_t width, const VirCall& call, MaskedProducts masked) const {
  const auto grid = config_.grid(height, width);
  const int64_t patches = grid[0] * grid[1], count = patches + 1, dim = config_.dim;
  const auto form = resolve(call.form, count);
  const auto block = count * (4 * dim * dim + 2 * dim * config_.mlp_dim()) +
                     config_.num_heads * mixer_macs(config_, count, grid[1], form, chunk_of(call, grid[1]), masked);
  const auto pixels = config_.in_channels * config_.patch_size * config_.patch_size;
  return patches * pixels * dim + config_.depth * block + dim * config_.num_classes;
}

void VirImpl::reset_classifier(int64_t num_classes, at::Generator generator) {
  auto config = config_;
  config.num_classes = num_classes;
  config.validate();
  config_ = config;
  if (!head_.is_empty()) unregister_module("head");
  head_ = num_classes == 0 ? nn::Linear(nullptr) : register_module("head", nn::Linear(config_.dim, num_classes));
  if (!head_.is_empty()) head_->initialize(0.02, generator);
}

void VirImpl::initialize(at::Generator generator) {
  const torch::NoGradGuard no_grad;
  cls_token_.normal_(0, 1e-6, generator);
  pos_embed_.normal_(0, 0.02, generator);
  for (const auto& module : modules()) {
    if (auto* linear = module->as<nn::LinearImpl>()) linear->initialize(0.02, generator);
    if (auto* patches = module->as<nn::PatchLinearImpl>()) patches->initialize(generator);
    if (auto* norm = module->as<nn::LayerNormImpl>()) norm->initialize();
    if (auto* scale = module->as<LayerScaleImpl>()) scale->initialize();
  }
}

int64_t VirImpl::layer_of(const std::string& name) const {
  if (name.starts_with("patch_embed.") || name == "cls_token" || name == "pos_embed") return 0;
  return name.starts_with("blocks.") ? 1 + std::stoll(name.substr(7)) : num_layers() - 1;
}

bool VirImpl::is_decayed(const std::string& name, const torch::Tensor& parameter) const {
  return name != "cls_token" && name != "pos_embed" && BackboneImpl::is_decayed(name, parameter);
}

void VirImpl::prepare(nn::Preparation&) {
  prepared_ = true;
  for (auto* table : {&cls_token_, &pos_embed_}) table->set_requires_grad(false);
  for (auto* norm : {&norm_, &fc_norm_}) {
    if (!norm->is_empty()) (*norm)->keep_output_float();
  }
  if (!head_.is_empty()) head_->keep_output_float();
}

}  // namespace retentive::vision
