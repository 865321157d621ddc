#include <models/generation/detail/tokens.h>
#include <models/generation/perplexity.h>

#include <algorithm>

#include <retention/base/error.h>

namespace retentive::models {
namespace {

using torch::Tensor;

constexpr int64_t kFirstBucket = 64;

void add(PerplexityResult& result, int64_t position, double nll) {
  while (result.buckets.empty() || result.buckets.back().end <= position) {
    const int64_t begin = result.buckets.empty() ? 0 : result.buckets.back().end;
    result.buckets.push_back({begin, begin == 0 ? kFirstBucket : 2 * begin, 0, 0});
  }
  const auto bucket = std::find_if(result.buckets.begin(), result.buckets.end(),
                                   [&](const auto& candidate) { return position < candidate.end; });
  ++bucket->tokens;
  bucket->nll += nll;
  ++result.tokens;
  result.nll += nll;
}

void check(std::span<const int64_t> tokens, const PerplexityOptions& options) {
  if (tokens.size() < 2) {
    throw InvalidArgument("[perplexity] the text has " + std::to_string(tokens.size()) +
                          " tokens; at least 2 are accepted: every one but the first is predicted");
  }
  if (options.window < 0 || options.segment < 1) {
    throw InvalidArgument("[perplexity] window is " + std::to_string(options.window) + " and segment " +
                          std::to_string(options.segment) + "; window 0 (one stream) or more and segment 1 or more");
  }
}

}  // namespace

int64_t predicted_bytes(const Tokenizer& tokenizer, std::string_view text, std::span<const int64_t> tokens) {
  const auto bytes = static_cast<int64_t>(text.size());
  if (tokens.empty()) return bytes;
  auto first = tokenizer.token_text(tokens.front());
  // Tokenizers may put a space before a text.
  if (first.starts_with(' ') && !text.starts_with(' ')) first.erase(0, 1);
  return std::max<int64_t>(bytes - static_cast<int64_t>(first.size()), 0);
}

PerplexityResult perplexity(RetnetImpl& model, std::span<const int64_t> tokens, const PerplexityOptions& options,
                            const std::function<void(int64_t done)>& progress) {
  check(tokens, options);
  const c10::InferenceMode inference;
  PerplexityResult result;
  const auto last = static_cast<int64_t>(tokens.size()) - 1;
  const int64_t window = options.window > 0 ? options.window : last;
  auto state = model.new_state(1);
  for (int64_t begin = 0; begin < last;) {
    const int64_t position = begin % window;
    if (position == 0) state = model.new_state(1);
    const int64_t length = std::min({options.segment, window - position, last - begin});
    const auto part = [&](int64_t from) {
      return torch::tensor(at::ArrayRef<int64_t>(tokens.data() + from, static_cast<size_t>(length)), at::kLong);
    };
    const auto features = model.forward_features(part(begin).unsqueeze(0), &state);
    const auto logits = detail::logits_of(model, features, state, "perplexity")[0];  // [length, V]
    const auto likelihood = torch::log_softmax(logits, -1).gather(1, part(begin + 1).unsqueeze(1)).squeeze(1);
    const auto values = likelihood.to(at::kDouble).contiguous();
    for (int64_t i = 0; i < length; ++i) add(result, position + i, -values.const_data_ptr<double>()[i]);
    begin += length;
    if (progress) progress(begin);
  }
  return result;
}

}  // namespace retentive::models
