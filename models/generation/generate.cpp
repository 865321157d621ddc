#include <models/generation/detail/tokens.h>
#include <models/generation/generate.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <retention/base/error.h>
#include <retention/nn/finite.h>

namespace retentive::models {
namespace {

using torch::Tensor;

Tensor as_row(std::span<const int64_t> tokens) {
  return torch::tensor(at::ArrayRef<int64_t>(tokens.data(), tokens.size()), at::kLong).unsqueeze(0);  // [1, T]
}

std::span<const float> values(const Tensor& logits) {
  return {logits.const_data_ptr<float>(), static_cast<size_t>(logits.numel())};
}

void check_rows(const RetentionState& state) {
  if (state.rows() == 1) return;
  throw InvalidArgument("[generate] the state has " + std::to_string(state.rows()) +
                        " rows; one is continued at a time: select a row, or use BatchDecoder");
}

}  // namespace

Tensor detail::logits_of(RetnetImpl& model, const Tensor& features, const RetentionState& state, const char* where) {
  auto logits = model.forward_head(features).to(at::kFloat).contiguous();  // [B, T, V]
  const auto place = nn::first_not_finite(logits);
  if (place < 0) return logits;
  const auto vocabulary = logits.size(2), length = logits.size(1);
  const auto row = place / (vocabulary * length), token = place / vocabulary % length;
  const auto seen = state.positions[static_cast<size_t>(row)] - length + token + 1;
  throw StateError(
      "[" + std::string(where) + "] after " + std::to_string(seen) + " tokens the logit of token " +
      std::to_string(place % vocabulary) + " is " + std::to_string(logits.flatten()[place].item<double>()) +
      "; a number is needed to choose or score a token: the weights or the state are damaged, or too large "
      "for the precision; try fp32, or take other weights");
}

void detail::ban(Tensor& logits, const std::vector<int64_t>& tokens) {
  if (!tokens.empty()) logits.index_fill_(-1, torch::tensor(tokens, at::kLong), -INFINITY);
}

std::vector<int64_t> detail::pending_and(const RetentionState& state, std::span<const int64_t> prompt) {
  std::vector<int64_t> tokens = state.pending;
  tokens.insert(tokens.end(), prompt.begin(), prompt.end());
  return tokens;
}

Tensor prefill(RetnetImpl& model, RetentionState& state, std::span<const int64_t> prompt, int64_t segment) {
  if (prompt.empty()) {
    throw InvalidArgument("[generate] the prompt has no tokens; give some text, or a state that was saved before");
  }
  check_rows(state);
  if (segment < 1) {
    throw InvalidArgument("[generate] prefill_segment is " + std::to_string(segment) +
                          "; at least 1 token is accepted");
  }
  const c10::InferenceMode inference;
  Tensor features;
  for (size_t begin = 0; begin < prompt.size(); begin += static_cast<size_t>(segment)) {
    const auto length = std::min(prompt.size() - begin, static_cast<size_t>(segment));
    features = model.forward_features(as_row(prompt.subspan(begin, length)), &state);
  }
  return detail::logits_of(model, features.narrow(1, features.size(1) - 1, 1), state, "generate").flatten();
}

namespace {

// Everything but the last token, whose logits whoever goes on needs.
void read_prompt(RetnetImpl& model, RetentionState& state, std::span<const int64_t> prompt, int64_t segment) {
  const auto tokens = detail::pending_and(state, prompt);
  if (tokens.size() != 1)
    prefill(model, state, std::span(tokens).first(std::max<size_t>(tokens.size(), 1) - 1), segment);
  state.pending = {tokens.back()};
}

}  // namespace

GenerationResult generate(RetnetImpl& model, RetentionState& state, Sampler& sampler, std::span<const int64_t> prompt,
                          std::vector<int64_t>& history, const GenerationOptions& options,
                          const std::function<bool(int64_t token)>& on_token) {
  const c10::InferenceMode inference;
  GenerationResult result;
  if (options.max_new_tokens == 0) {
    read_prompt(model, state, prompt, options.prefill_segment);
    history.insert(history.end(), prompt.begin(), prompt.end());
    return result;
  }
  auto logits = prefill(model, state, detail::pending_and(state, prompt), options.prefill_segment);
  state.pending.clear();
  history.insert(history.end(), prompt.begin(), prompt.end());
  while (static_cast<int64_t>(result.tokens.size()) < options.max_new_tokens) {
    detail::ban(logits, options.banned);
    const auto token = sampler.sample(values(logits), history);
    result.tokens.push_back(token);
    history.push_back(token);
    state.pending = {token};
    if (on_token && !on_token(token)) {
      result.reason = FinishReason::stopped;
      break;
    }
    if (detail::holds(options.stop_tokens, token)) {
      result.reason = FinishReason::stop_token;
      break;
    }
    if (static_cast<int64_t>(result.tokens.size()) == options.max_new_tokens) break;
    logits = prefill(model, state, state.pending);
    state.pending.clear();
  }
  return result;
}

std::vector<int64_t> BatchDecoder::other_rows(size_t row) const {
  std::vector<int64_t> others(rows_.size());
  std::iota(others.begin(), others.end(), 0);
  others.erase(others.begin() + static_cast<std::ptrdiff_t>(row));
  return others;
}

int64_t BatchDecoder::add(std::span<const int64_t> prompt, const SamplingOptions& sampling) {
  Sampler sampler(sampling);
  auto state = model_->new_state(1);
  auto logits = prefill(*model_, state, prompt);
  const c10::InferenceMode inference;
  state_ = rows_.empty() ? std::move(state) : RetentionState::concat({state_, state});
  rows_.push_back({next_id_, sampler, {prompt.begin(), prompt.end()}, logits});
  return next_id_++;
}

RetentionState BatchDecoder::remove(int64_t id) {
  const auto found = std::find_if(rows_.begin(), rows_.end(), [id](const Row& row) { return row.id == id; });
  if (found == rows_.end()) {
    throw InvalidArgument("[generate] no row has the id " + std::to_string(id) + "; it may have left already");
  }
  const c10::InferenceMode inference;
  const auto row = static_cast<size_t>(found - rows_.begin());
  auto removed = state_.select({static_cast<int64_t>(row)});
  state_ = state_.select(other_rows(row));
  rows_.erase(found);
  return removed;
}

std::vector<BatchDecoder::Token> BatchDecoder::step() {
  std::vector<Token> chosen;
  if (rows_.empty()) return chosen;
  std::vector<int64_t> tokens;
  auto drawn = rows_;  // kept only when every row could draw
  for (auto& row : drawn) {
    tokens.push_back(row.sampler.sample(values(row.logits), row.history));
    row.history.push_back(tokens.back());
    chosen.push_back({row.id, tokens.back()});
  }
  const c10::InferenceMode inference;
  const auto features = model_->forward_features(torch::tensor(tokens, at::kLong).unsqueeze(1), &state_);
  const auto logits = detail::logits_of(*model_, features, state_, "generate");  // [rows, 1, V]
  for (size_t i = 0; i < drawn.size(); ++i) drawn[i].logits = logits[static_cast<int64_t>(i)][0];
  rows_ = std::move(drawn);
  return chosen;
}

}  // namespace retentive::models
