#include <models/generation/generate.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <retention/base/error.h>

namespace retentive::models {
namespace {

using torch::Tensor;

Tensor as_row(std::span<const int64_t> tokens) {
  return torch::tensor(at::ArrayRef<int64_t>(tokens.data(), tokens.size()), at::kLong).unsqueeze(0);  // [1, T]
}

std::span<const float> values(const Tensor& logits) {
  return {logits.const_data_ptr<float>(), static_cast<size_t>(logits.numel())};
}

bool holds(const std::vector<int64_t>& tokens, int64_t token) {
  return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
}

void check_rows(const RetentionState& state) {
  if (state.rows() == 1) return;
  throw InvalidArgument("[generate] the state has " + std::to_string(state.rows()) +
                        " rows; one is continued at a time: select a row, or use BatchDecoder");
}

}  // namespace

Tensor prefill(RetnetImpl& model, RetentionState& state, std::span<const int64_t> prompt, int64_t segment) {
  if (prompt.empty()) {
    throw InvalidArgument("[generate] the prompt has no tokens; give some text, or a state that was saved before");
  }
  check_rows(state);
  const c10::InferenceMode inference;
  Tensor features;
  for (size_t begin = 0; begin < prompt.size(); begin += static_cast<size_t>(segment)) {
    const auto length = std::min(prompt.size() - begin, static_cast<size_t>(segment));
    features = model.forward_features(as_row(prompt.subspan(begin, length)), &state);
  }
  return model.forward_head(features.narrow(1, features.size(1) - 1, 1)).flatten().to(at::kFloat).contiguous();
}

GenerationResult generate(RetnetImpl& model, RetentionState& state, std::span<const int64_t> prompt,
                          std::vector<int64_t>& history, const GenerationOptions& options,
                          const std::function<bool(int64_t token)>& on_token) {
  Sampler sampler(options.sampling);
  std::vector<int64_t> fed = state.pending;
  state.pending.clear();
  fed.insert(fed.end(), prompt.begin(), prompt.end());
  history.insert(history.end(), prompt.begin(), prompt.end());
  const c10::InferenceMode inference;
  GenerationResult result;
  auto logits = prefill(model, state, fed, options.prefill_segment);
  while (static_cast<int64_t>(result.tokens.size()) < options.max_new_tokens) {
    const auto token = sampler.sample(values(logits), history);
    result.tokens.push_back(token);
    history.push_back(token);
    state.pending = {token};
    if (on_token && !on_token(token)) {
      result.reason = FinishReason::stopped;
      break;
    }
    if (holds(options.stop_tokens, token)) {
      result.reason = FinishReason::stop_token;
      break;
    }
    if (static_cast<int64_t>(result.tokens.size()) == options.max_new_tokens) break;
    logits = prefill(model, state, state.pending);
    state.pending.clear();
  }
  return result;
}

std::vector<Beam> beam_search(RetnetImpl& model, const RetentionState& state, std::span<const int64_t> prompt,
                              const BeamOptions& options) {
  if (options.num_beams < 1) {
    throw InvalidArgument("[generate] num_beams is " + std::to_string(options.num_beams) + "; at least 1 is accepted");
  }
  const c10::InferenceMode inference;
  auto running = state;
  std::vector<int64_t> fed = running.pending;
  running.pending.clear();
  fed.insert(fed.end(), prompt.begin(), prompt.end());
  auto scores = torch::log_softmax(prefill(model, running, fed), -1).unsqueeze(0);  // [beams, V]
  const auto score_of = [&](const Beam& beam) {
    return beam.log_probability / std::pow(static_cast<double>(beam.tokens.size()), options.length_penalty);
  };
  const auto better = [](const Beam& a, const Beam& b) { return a.score > b.score; };
  std::vector<Beam> alive = {Beam{}}, finished;
  const auto wanted = static_cast<size_t>(options.num_beams);
  for (int64_t step = 0; step < options.max_new_tokens; ++step) {
    const auto vocabulary = scores.size(1);
    for (int64_t i = 0; i < scores.size(0); ++i) scores[i] += alive[static_cast<size_t>(i)].log_probability;
    // Twice as many as beams: every beam may end in a stop token, and others must go on.
    const auto count = std::min<int64_t>(2 * options.num_beams, scores.numel());
    const auto [best, index] = scores.flatten().topk(count);
    std::vector<Beam> next;
    std::vector<int64_t> parents;
    for (int64_t i = 0; i < count && next.size() < wanted; ++i) {
      const auto flat = index[i].item<int64_t>(), parent = flat / vocabulary, token = flat % vocabulary;
      Beam beam = alive[static_cast<size_t>(parent)];
      beam.tokens.push_back(token);
      beam.log_probability = best[i].item<double>();
      beam.score = score_of(beam);
      if (holds(options.stop_tokens, token)) {
        finished.push_back(std::move(beam));
      } else {
        next.push_back(std::move(beam));
        parents.push_back(parent);
      }
    }
    alive = std::move(next);
    std::sort(finished.begin(), finished.end(), better);
    const bool settled = finished.size() >= wanted && finished[wanted - 1].score >= alive.front().score;
    if (alive.empty() || settled || step + 1 == options.max_new_tokens) break;
    running = running.select(parents);
    std::vector<int64_t> last;
    for (const auto& beam : alive) last.push_back(beam.tokens.back());
    const auto tokens = torch::tensor(last, at::kLong).unsqueeze(1);  // [beams, 1]
    scores = torch::log_softmax(model.forward(tokens, &running).select(1, 0).to(at::kFloat), -1);
  }
  finished.insert(finished.end(), alive.begin(), alive.end());
  std::sort(finished.begin(), finished.end(), better);
  finished.resize(std::min(finished.size(), wanted));
  return finished;
}

std::vector<int64_t> BatchDecoder::other_rows(size_t row) const {
  std::vector<int64_t> others(rows_.size());
  std::iota(others.begin(), others.end(), 0);
  others.erase(others.begin() + static_cast<std::ptrdiff_t>(row));
  return others;
}

int64_t BatchDecoder::add(std::span<const int64_t> prompt, const SamplingOptions& sampling) {
  auto state = model_->new_state(1);
  auto logits = prefill(*model_, state, prompt);
  const c10::InferenceMode inference;
  state_ = rows_.empty() ? std::move(state) : RetentionState::concat({state_, state});
  rows_.push_back({next_id_, Sampler(sampling), {prompt.begin(), prompt.end()}, logits});
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
  for (auto& row : rows_) {
    tokens.push_back(row.sampler.sample(values(row.logits), row.history));
    row.history.push_back(tokens.back());
    chosen.push_back({row.id, tokens.back()});
  }
  const c10::InferenceMode inference;
  const auto logits = model_->forward(torch::tensor(tokens, at::kLong).unsqueeze(1), &state_);  // [rows, 1, V]
  for (size_t i = 0; i < rows_.size(); ++i) {
    rows_[i].logits = logits[static_cast<int64_t>(i)][0].to(at::kFloat).contiguous();
  }
  return chosen;
}

}  // namespace retentive::models
