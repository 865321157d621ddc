#include <cmath>

#include <models/retnet.h>
#include <retention/base/error.h>
#include <retention/nn/causal_attention.h>
#include <retention/ops/detail/shape_text.h>
#include <retention/ops/position.h>
#include <retention/ops/retention.h>

namespace retentive::models {
namespace {

using torch::Tensor;

[[noreturn]] void fail(const std::string& what) { throw InvalidArgument("[retnet] " + what); }

void check_tokens(const Tensor& tokens, int64_t vocab_size) {
  if (tokens.dim() != 2 || tokens.scalar_type() != at::kLong || tokens.numel() == 0) {
    fail("tokens is " + retentive::detail::shape_text(tokens) + " " + std::string(tokens.dtype().name()) +
         "; a non-empty int64 [B, T] is accepted");
  }
  const auto least = tokens.min().item<int64_t>(), most = tokens.max().item<int64_t>();
  if (least >= 0 && most < vocab_size) return;
  fail("token " + std::to_string(least < 0 ? least : most) + " is not in the vocabulary; 0.." +
       std::to_string(vocab_size - 1) + " are accepted: is this the tokenizer that the model was trained with?");
}

// The position of every token in its sequence, int64 [B, T].
Tensor token_positions(const Tensor& tokens, const Tensor& ranges, const RetentionState* state) {
  const auto rows = tokens.size(0), length = tokens.size(1);
  auto positions = torch::zeros({rows, length}, at::kLong);
  auto* at = positions.mutable_data_ptr<int64_t>();
  const auto number = [&](int64_t s, int64_t begin, int64_t end) {
    const int64_t first = state != nullptr ? state->positions[static_cast<size_t>(s)] : 0;
    for (int64_t i = begin; i < end; ++i) at[i] = first + i - begin;
  };
  if (!ranges.defined()) {
    for (int64_t b = 0; b < rows; ++b) number(b, b * length, (b + 1) * length);
  } else {
    for (int64_t s = 0; s < ranges.size(0); ++s) {
      number(s, ranges[s][0].item<int64_t>(), ranges[s][1].item<int64_t>());
    }
  }
  return positions;
}

void check_call(const Tensor& tokens, const RetentionState* state, const SequenceCall& call, Normalization mode) {
  const auto sequences = call.ranges.defined() ? call.ranges.size(0) : tokens.size(0);
  if (state != nullptr && state->rows() != sequences) {
    fail("the state has " + std::to_string(state->rows()) + " rows, but the call " + std::to_string(sequences) +
         " sequences; pass a state of as many rows");
  }
  if (mode == Normalization::exact || (state == nullptr && call.form != Form::auto_)) return;
  fail(
      "normalization \"torchscale\" takes whole rows without state, and a form by name, because its forms give "
      "different results; use normalization \"exact\" to decode, or name a form");
}

}  // namespace

RetnetRelPosImpl::RetnetRelPosImpl(const RetnetConfig& config)
    : angle(register_buffer("angle", config.dialect == RetnetDialect::fla
                                         ? rotary_angles_half_split(config.key_head_dim())
                                         : rotary_angles(config.key_head_dim()))),
      decay(register_buffer("decay", config.decay == DecaySchedule::retnet
                                         ? log_gamma_retnet(config.num_heads)
                                         : log_gamma_log_linspace(config.num_heads))) {}

RetnetRelPosImpl::~RetnetRelPosImpl() = default;

RetnetImpl::RetnetImpl(const RetnetConfig& config) : config_(config) {
  config.validate();
  embed_tokens_ = register_module("embed_tokens",
                                  torch::nn::Embedding(torch::nn::EmbeddingOptions(config.vocab_size, config.dim)
                                                           ._weight(torch::empty({config.vocab_size, config.dim}))));
  // Not a child when tied: the table would stand twice in the list of parameters.
  output_projection_ = nn::Linear(config.dim, config.vocab_size, false);
  if (config.tie_embeddings) {
    output_projection_->weight = embed_tokens_->weight;
  } else {
    register_module("output_projection", output_projection_);
  }
  output_projection_->keep_output_float();
  if (config.layernorm_embedding) {
    layernorm_embedding_ = register_module("layernorm_embedding", nn::RmsNorm(config.dim, config.norm_eps));
    layernorm_embedding_->keep_output_float();
  }
  const auto blocks = register_module("layers", torch::nn::ModuleList());
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const double share =
        config.num_layers > 1 ? static_cast<double>(i) / static_cast<double>(config.num_layers - 1) : 0;
    blocks_.emplace_back(config, config.drop_path_rate * share);
    blocks->push_back(blocks_.back());
  }
  if (config.pre_norm) layer_norm_ = register_module("layer_norm", nn::RmsNorm(config.dim, config.norm_eps));
  retnet_rel_pos_ = register_module("retnet_rel_pos", RetnetRelPos(config));
  if (config.dropout > 0) dropout_ = register_module("dropout", nn::Dropout(config.dropout));
}

RetnetImpl::~RetnetImpl() = default;

void RetnetImpl::check_state(const RetentionState& state) const {
  const auto bad = [](const std::string& what) {
    throw StateError("[retnet] the state " + what + "; it is not of this model: begin with new_state()");
  };
  if (static_cast<int64_t>(state.layers.size()) != config_.num_layers) {
    bad("has " + std::to_string(state.layers.size()) + " layers, the model " + std::to_string(config_.num_layers));
  }
  if (state.positions.empty()) bad("has no rows");
  for (const auto position : state.positions) {
    if (position < 0) bad("has the position " + std::to_string(position));
  }
  for (const auto token : state.pending) {
    if (token < 0 || token >= config_.vocab_size) bad("has the pending token " + std::to_string(token));
  }
  if (state.rows() != 1 && !state.pending.empty()) bad("has pending tokens and several rows");
  const bool retention = config_.mixer == MixerKind::retention;
  const std::vector<int64_t> shape = {state.rows(), config_.num_heads, config_.key_head_dim(),
                                      config_.value_head_dim()};
  for (const auto& layer : state.layers) {
    const auto& tensors = layer.tensors;
    if (tensors.empty()) continue;
    if (retention &&
        (tensors.size() != 1 || tensors[0].sizes() != at::IntArrayRef(shape) || !tensors[0].is_floating_point())) {
      bad("has a layer of another shape");
    }
    if (!retention && !nn::is_attention_cache(layer, state.rows(), config_.num_heads, config_.key_head_dim(),
                                              config_.value_head_dim())) {
      bad("has a cache of another shape");
    }
  }
}

Form RetnetImpl::resolve(Form form, int64_t tokens) const {
  if (form != Form::auto_) return form;
  if (tokens == 1) return Form::recurrent;
  return tokens <= config_.chunk_size ? Form::parallel : Form::chunkwise;
}

nn::SequenceContext RetnetImpl::context_of(const Tensor& tokens, const RetentionState* state,
                                           const SequenceCall& call) const {
  const auto normalization = call.normalization.value_or(config_.normalization);
  if (normalization == Normalization::torchscale &&
      (config_.dialect == RetnetDialect::fla || config_.mixer == MixerKind::attention)) {
    fail("normalization \"torchscale\" is for retention of the torchscale dialect; use \"exact\"");
  }
  if (call.chunk < 0) fail("chunk is " + std::to_string(call.chunk) + "; 0 (the model's) or more tokens are accepted");
  if (call.ranges.defined()) check_sequence_ranges(call.ranges, tokens.numel());
  if (state != nullptr) check_state(*state);
  check_call(tokens, state, call, normalization);
  nn::SequenceContext context{.form = resolve(call.form, tokens.size(1)),
                              .chunk = call.chunk > 0 ? call.chunk : config_.chunk_size,
                              .normalization = normalization,
                              .log_gamma = retnet_rel_pos_->decay,
                              .ranges = call.ranges};
  nn::place_tokens(context, token_positions(tokens, call.ranges, state), retnet_rel_pos_->angle, config_.rotary(),
                   config_.norm_eps, config_.dialect == RetnetDialect::torchscale);
  return context;
}

Tensor RetnetImpl::embed(const Tensor& tokens) {
  auto x = embed_tokens_->forward(tokens);  // [B, T, C]
  if (config_.scale_embedding) x = x * std::sqrt(static_cast<double>(config_.dim));
  if (!layernorm_embedding_.is_empty()) x = layernorm_embedding_->forward(x);
  return dropout_.is_empty() ? x : dropout_->forward(x);
}

Tensor RetnetImpl::forward_features(const Tensor& tokens, RetentionState* state, const SequenceCall& call) {
  check_tokens(tokens, config_.vocab_size);
  const auto context = context_of(tokens, state, call);
  auto x = embed(tokens);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    x = blocks_[i]->forward(x, context, state != nullptr ? &state->layers[i] : nullptr);
  }
  if (state != nullptr) {
    for (int64_t s = 0; s < state->rows(); ++s) {
      const auto length =
          call.ranges.defined() ? (call.ranges[s][1] - call.ranges[s][0]).item<int64_t>() : tokens.size(1);
      state->positions[static_cast<size_t>(s)] += length;
    }
  }
  return layer_norm_.is_empty() ? x : layer_norm_->forward(x);
}

Tensor RetnetImpl::forward_head(const Tensor& features) { return output_projection_->forward(features); }

Tensor RetnetImpl::forward(const Tensor& tokens, RetentionState* state, const SequenceCall& call) {
  return forward_head(forward_features(tokens, state, call));
}

void RetnetImpl::initialize(at::Generator generator) {
  const double layers = static_cast<double>(config_.num_layers);
  const double divisor = config_.deepnorm ? std::pow(8 * layers, 0.25) : 1;
  const double deviation = 1 / std::sqrt(static_cast<double>(config_.dim));
  for (auto& block : blocks_) block->initialize(divisor, generator);
  const torch::NoGradGuard no_grad;
  embed_tokens_->weight.normal_(0, config_.scale_embedding ? deviation : 1.0, generator);
  if (!config_.tie_embeddings) output_projection_->weight.normal_(0, deviation, generator);
  if (!layernorm_embedding_.is_empty()) layernorm_embedding_->initialize();
  if (!layer_norm_.is_empty()) layer_norm_->initialize();
}

std::vector<vision::ParameterGroup> RetnetImpl::parameter_groups() const {
  std::vector<vision::ParameterGroup> groups(2);
  groups[1].weight_decay = false;
  for (const auto& item : named_parameters()) {
    const bool decayed = item.value().dim() > 1 && item.key() != "embed_tokens.weight";
    auto& group = groups[decayed ? 0 : 1];
    group.names.push_back(item.key());
    group.parameters.push_back(item.value());
  }
  return groups;
}

void RetnetImpl::set_generator(const at::Generator& generator) {
  for (auto& block : blocks_) block->set_generator(generator);
  if (!dropout_.is_empty()) dropout_->set_generator(generator);
}

void RetnetImpl::prepare(nn::Preparation& preparation) {
  if (config_.tie_embeddings) output_projection_->prepare(preparation);
}

}  // namespace retentive::models
