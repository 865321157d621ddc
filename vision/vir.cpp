#include <algorithm>
#include <string>
#include <utility>

#include <retention/base/error.h>
#include <retention/ops/detail/shape_text.h>
#include <retention/ops/position.h>
#include <vision/grad_checkpoint.h>
#include <vision/vir.h>

namespace retentive::vision {
namespace {

using retentive::detail::shape_text;
using torch::Tensor;

// Patch tokens [B, h * w, C] as a map with values of its own.
Tensor to_map(const Tensor& patches, int64_t width, Layout layout) {
  const auto map = patches.unflatten(1, {-1, width});  // [B, h, w, C]
  return (layout == Layout::nchw ? map.permute({0, 3, 1, 2}) : map).clone(at::MemoryFormat::Contiguous);
}

}  // namespace

VirImpl::VirImpl(const VirConfig& config) : config_(config) {
  config.validate();
  const auto grid = config.grid();
  log_gamma_ = config.decay == DecaySchedule::retnet ? log_gamma_retnet(config.num_heads, at::kDouble)
                                                     : log_gamma_log_linspace(config.num_heads, at::kDouble);
  cls_token_ = register_parameter("cls_token", torch::empty({1, 1, config.dim}));
  pos_embed_ = register_parameter("pos_embed", torch::empty({1, grid[0] * grid[1], config.dim}));
  patch_embed_ = register_module("patch_embed", PatchEmbed(config.in_channels, config.dim, config.patch_size));
  const auto blocks = register_module("blocks", std::make_shared<torch::nn::Module>());
  for (int64_t i = 0; i < config.depth; ++i) {
    const double share = config.depth > 1 ? static_cast<double>(i) / static_cast<double>(config.depth - 1) : 0;
    blocks_.push_back(blocks->register_module(std::to_string(i), VirBlock(config, config.drop_path_rate * share)));
  }
  auto& norm = config.pool == VirPool::avg ? fc_norm_ : norm_;
  norm = register_module(config.pool == VirPool::avg ? "fc_norm" : "norm", nn::LayerNorm(config.dim, config.norm_eps));
  if (config.num_classes > 0) head_ = register_module("head", nn::Linear(config.dim, config.num_classes));
}

VirImpl::~VirImpl() = default;

Tensor VirImpl::forward(const Tensor& image, const VirCall& call) { return classify(forward_pooled(image, call)); }

Tensor VirImpl::forward_pooled(const Tensor& image, const VirCall& call) {
  const auto sequence = sequence_of(image, call);
  Tensor pooled;
  run_all(sequence, [&](const Tensor& tokens, int64_t begin) { gather(pooled, tokens, begin, sequence.patches); });
  return norm_pooled(pooled, sequence.patches);
}

void VirImpl::gather(Tensor& pooled, const Tensor& tokens, int64_t begin, int64_t patches) const {
  if (config_.pool == VirPool::token_last) {
    if (begin + tokens.size(1) > patches) pooled = tokens.select(1, -1);
    return;
  }
  const auto sum = tokens.narrow(1, 0, std::min(tokens.size(1), patches - begin)).sum(1);
  pooled = pooled.defined() ? pooled + sum : sum;
}

Tensor VirImpl::norm_pooled(const Tensor& pooled, int64_t patches) {
  if (config_.pool == VirPool::token_last) return norm_->forward(pooled);  // [B, C]
  return fc_norm_->forward(pooled / static_cast<double>(patches));
}

Tensor VirImpl::forward_tokens(const Tensor& image, const VirCall& call) {
  const auto sequence = sequence_of(image, call);
  const auto normed = [this](const Tensor& tokens) { return norm_.is_empty() ? tokens : norm_->forward(tokens); };
  const auto total = sequence.patches + 1;
  Tensor all;
  run_all(sequence, [&](const Tensor& tokens, int64_t begin) {
    const auto chunk = normed(tokens);
    if (tokens.size(1) == total) {
      all = chunk;
      return;
    }
    if (!all.defined()) all = torch::empty({chunk.size(0), total, chunk.size(2)}, chunk.options());
    all.narrow(1, begin, chunk.size(1)).copy_(chunk);
  });
  return all;  // [B, N + 1, C]
}

Tensor VirImpl::forward_features(const Tensor& image) {
  const auto tokens = forward_tokens(image);
  return to_map(tokens.narrow(1, 0, tokens.size(1) - 1), config_.grid(image.size(2), image.size(3))[1], Layout::nchw);
}

Tensor VirImpl::forward_head(const Tensor& features, bool pre_logits) {
  const bool avg = config_.pool == VirPool::avg, map = features.dim() == 4 && avg;
  if (!map && (features.dim() != 3 || features.size(1) < 2)) {
    throw InvalidArgument("[vir] features are " + shape_text(features) +
                          "; the tokens of forward_tokens(), [B, N + 1, " + std::to_string(config_.dim) +
                          "], are accepted" +
                          (avg ? ", or a map [B, C, h, w]" : ": the classifier reads the class token, the last one"));
  }
  const auto pooled = map   ? fc_norm_->forward(features.mean({2, 3}))
                      : avg ? fc_norm_->forward(features.narrow(1, 0, features.size(1) - 1).mean(1))
                            : features.select(1, -1);
  return pre_logits ? pooled : classify(pooled);
}

std::vector<Tensor> VirImpl::forward_intermediates(const Tensor& image, const std::vector<int64_t>& indices,
                                                   Layout layout) {
  if (indices.empty()) return {};
  return maps_of(image, indices, layout, nullptr);
}

std::pair<std::vector<Tensor>, Tensor> VirImpl::forward_intermediates_and_pooled(const Tensor& image,
                                                                                 const std::vector<int64_t>& indices,
                                                                                 Layout layout) {
  if (indices.empty()) return {{}, forward_pooled(image)};  // need not hold all tokens
  Tensor pooled;
  auto maps = maps_of(image, indices, layout, &pooled);
  return {std::move(maps), std::move(pooled)};
}

std::vector<Tensor> VirImpl::maps_of(const Tensor& image, const std::vector<int64_t>& indices, Layout layout,
                                     Tensor* pooled) {
  int64_t next = 0;
  for (const auto index : indices) {
    if (index < next || index >= config_.depth) {
      throw InvalidArgument("[vir] forward_intermediates: indices hold " + std::to_string(index) +
                            "; ascending block numbers from 0 to " + std::to_string(config_.depth - 1) +
                            " are accepted, each once");
    }
    next = index + 1;
  }
  std::vector<Tensor> maps;
  const auto sequence = sequence_of(image, call_);
  const auto context = context_of(sequence, 0, sequence.patches + 1);
  auto x = embed(sequence, 0, sequence.patches + 1);
  for (int64_t i = 0; i < (pooled != nullptr ? config_.depth : next); ++i) {
    x = run_block(static_cast<size_t>(i), x, context, nullptr);
    if (std::find(indices.begin(), indices.end(), i) == indices.end()) continue;
    maps.push_back(to_map(x.narrow(1, 0, sequence.patches), sequence.width, layout));
  }
  if (pooled != nullptr) {
    gather(*pooled, x, 0, sequence.patches);
    *pooled = norm_pooled(*pooled, sequence.patches);
  }
  return maps;
}

VirBlockInput VirImpl::forward_to_block(const Tensor& image, int64_t block) {
  if (block < 0 || block > config_.depth) {
    throw InvalidArgument("[vir] forward_to_block: block is " + std::to_string(block) + "; 0 to " +
                          std::to_string(config_.depth) + " is accepted, the last for what all blocks give");
  }
  const auto sequence = sequence_of(image, call_);
  const auto context = context_of(sequence, 0, sequence.patches + 1);
  auto x = embed(sequence, 0, sequence.patches + 1);
  for (int64_t i = 0; i < block; ++i) x = run_block(static_cast<size_t>(i), x, context, nullptr);
  return {x, context};
}

VirImpl::Sequence VirImpl::sequence_of(const Tensor& image, const VirCall& call) const {
  if (image.dim() != 4 || image.size(1) != config_.in_channels || image.numel() == 0) {
    throw InvalidArgument("[vir] image is " + shape_text(image) + "; a non-empty [B, " +
                          std::to_string(config_.in_channels) + ", H, W] is accepted");
  }
  auto sequence = sequence_of(image.size(2), image.size(3), image.scalar_type(), call);
  sequence.image = patch_embed_->pad(image);
  // Not while training: stochastic depth draws once per image, not per chunk.
  sequence.chunks_outermost =
      sequence.form != Form::parallel && (prepared_ || !torch::GradMode::is_enabled()) && !is_training();
  return sequence;
}

VirImpl::Sequence VirImpl::sequence_of(int64_t height, int64_t width, at::ScalarType type, const VirCall& call) const {
  const auto grid = config_.grid(height, width);
  const auto form = resolve(call.form, grid[0] * grid[1] + 1);
  const auto chunk = chunk_of(call, grid[1]);
  return {.image = {},
          .positions = GridPositions(pos_embed_, config_.grid(), grid),
          .width = grid[1],
          .patches = grid[0] * grid[1],
          .form = form,
          .chunk = form == Form::recurrent ? 1 : chunk,
          .log_gamma = log_gamma_.to(type == at::kDouble ? at::kDouble : at::kFloat)};
}

Tensor VirImpl::embed(const Sequence& sequence, int64_t begin, int64_t end) {
  const auto patches = std::min(end, sequence.patches);
  std::vector<Tensor> parts;
  if (begin < patches) {
    const auto embedded = patch_embed_->forward(sequence.image, begin - sequence.first, patches - sequence.first);
    parts.push_back(embedded + sequence.positions.rows(begin, patches));
  }
  // A copy: blocks may write to what they are given.
  if (end > sequence.patches) parts.push_back(cls_token_.repeat({sequence.image.size(0), 1, 1}));
  return parts.size() == 1 ? parts.front() : torch::cat(parts, 1);  // [B, end - begin, C]
}

VirContext VirImpl::context_of(const Sequence& sequence, int64_t begin, int64_t end) const {
  return {.form = sequence.form,
          .chunk = sequence.chunk,
          .log_gamma = sequence.log_gamma,
          .width = sequence.width,
          .first = begin,
          .class_token = end > sequence.patches};
}

Tensor VirImpl::run_block(size_t block, const Tensor& x, const VirContext& context, nn::LayerState* state) {
  const auto body = [block = blocks_[block].ptr(), context, state](const Tensor& input) {
    return block->forward(input, context, state);
  };
  return grad_checkpointing_ && is_training() ? grad_checkpoint(body, x, blocks_[block]->generator()) : body(x);
}

Tensor VirImpl::run(Tensor x, const VirContext& context, VirState* state) {
  for (size_t i = 0; i < blocks_.size(); ++i) {
    x = run_block(i, x, context, state != nullptr ? &state->blocks[i] : nullptr);
  }
  return x;  // [B, T, C]
}

void VirImpl::run_all(const Sequence& sequence, const Sink& sink) {
  const auto total = sequence.patches + 1;
  const auto step = sequence.chunks_outermost ? sequence.chunk : total;
  VirState state;
  state.blocks.resize(blocks_.size());
  for (int64_t begin = 0; begin < total; begin += step) {
    const auto end = std::min(begin + step, total);
    const auto x = embed(sequence, begin, end);
    sink(run(x, context_of(sequence, begin, end), sequence.chunks_outermost ? &state : nullptr), begin);
  }
}

Tensor VirImpl::classify(const Tensor& pooled) { return head_.is_empty() ? pooled : head_->forward(pooled); }

}  // namespace retentive::vision
