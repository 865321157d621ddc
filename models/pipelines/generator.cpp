#include <models/pipelines/generator.h>

#include <algorithm>
#include <chrono>

#include <models/checkpoint.h>
#include <models/generation/generate.h>
#include <models/model_hash.h>
#include <models/pipelines/detail/inference_scope.h>
#include <models/pipelines/detail/stop_texts.h>
#include <models/registry.h>
#include <models/tokenizers/stream_decoder.h>
#include <models/tokenizers/tokenizer.h>
#include <retention/base/error.h>
#include <retention/nn/inference.h>

namespace retentive::models {
namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

std::unique_ptr<Tokenizer> tokenizer_of(const ModelCard& card, const std::string& given, const std::string& origin) {
  if (!given.empty()) return load_tokenizer(given);
  if (!card.tokenizer.empty()) return parse_tokenizer(card.tokenizer, origin);
  throw ConfigError("[" + origin +
                    "] carries no tokenizer; name one with --tokenizer (\"bytes\", tokenizer.json or tokenizer.model)");
}

}  // namespace

double GeneratedText::tokens_per_second() const {
  return decode_seconds > 0 ? static_cast<double>(tokens.size() - 1) / decode_seconds : 0;
}

class Generator::Impl {
 public:
  Impl(const std::filesystem::path& weights, const GeneratorOptions& options) : threads_(options.threads) {
    ModelChoice choice;
    if (!options.model.empty()) choice.name = options.model;
    const auto loaded = load_model(weights, choice);
    origin_ = weights.string();
    name_ = loaded.card.name.empty() ? origin_ : loaded.card.name;
    model_ = as_language_model(loaded.model, origin_);
    tokenizer_ = tokenizer_of(loaded.card, options.tokenizer, origin_);
    if (tokenizer_->vocab_size() > model_->config().vocab_size) {
      throw ConfigError("[" + origin_ + "] has a vocabulary of " + std::to_string(model_->config().vocab_size) +
                        " tokens and the tokenizer " + std::to_string(tokenizer_->vocab_size()) +
                        "; name the tokenizer that it was trained with");
    }
    hash_ = model_hash(*model_);
    nn::prepare_inference(*model_, {.precision = options.precision});
    state_ = model_->new_state(1);
  }

  GeneratedText generate(std::string_view prompt, const TextOptions& options,
                         const std::function<bool(std::string_view)>& on_text) {
    const InferenceScope scope(threads_);
    auto tokens = tokenizer_->encode(prompt, {.add_special_tokens = fresh()});
    // Bytes and some vocabularies have no token that begins a text: an empty prompt then begins a line.
    if (tokens.empty() && fresh()) tokens = tokenizer_->encode("\n");
    GeneratedText result;
    result.prompt_tokens = static_cast<int64_t>(tokens.size() + state_.pending.size());
    if (options.num_beams > 1) {
      by_beams(tokens, options, on_text, result);
    } else {
      by_sampling(tokens, options, on_text, result);
    }
    return result;
  }

  void reset() {
    state_ = model_->new_state(1);
    history_.clear();
  }
  void save_state(const std::filesystem::path& path) const { state_.save(path, hash_); }
  void load_state(const std::filesystem::path& path) {
    state_ = RetentionState::load(path, hash_);
    history_.clear();
  }
  const std::string& name() const { return name_; }

 private:
  bool fresh() const { return state_.positions.front() == 0 && state_.pending.empty(); }

  std::vector<int64_t> stop_tokens(const TextOptions& options) const {
    const auto eos = tokenizer_->eos_id();
    return eos && !options.ignore_eos ? std::vector{*eos} : std::vector<int64_t>{};
  }

  void by_sampling(const std::vector<int64_t>& prompt, const TextOptions& options,
                   const std::function<bool(std::string_view)>& on_text, GeneratedText& result) {
    GenerationOptions call{.max_new_tokens = options.max_new_tokens, .sampling = options.sampling};
    call.stop_tokens = stop_tokens(options);
    StreamDecoder decoder(*tokenizer_);
    StopTexts stops(options.stop);
    bool cancelled = false;
    const auto emit = [&](const std::string& piece) {
      result.text += piece;
      if (!piece.empty() && on_text && !on_text(piece)) cancelled = true;
      return !cancelled;
    };
    const auto start = Clock::now();
    auto first = start;
    const auto done = models::generate(*model_, state_, prompt, history_, call, [&](int64_t token) {
      if (result.tokens.empty()) first = Clock::now();
      result.tokens.push_back(token);
      return emit(stops.push(decoder.push(token))) && !stops.met();
    });
    const auto end = Clock::now();
    if (!stops.met() && !cancelled) {
      emit(stops.push(decoder.flush()));
      if (!stops.met()) emit(stops.flush());
    }
    result.prefill_seconds = seconds(start, first);
    result.decode_seconds = seconds(first, end);
    result.finish_reason = cancelled                                 ? "cancelled"
                           : stops.met()                             ? "stop"
                           : done.reason == FinishReason::stop_token ? "eos"
                                                                     : "length";
  }

  void by_beams(const std::vector<int64_t>& prompt, const TextOptions& options,
                const std::function<bool(std::string_view)>& on_text, GeneratedText& result) {
    const auto start = Clock::now();
    const BeamOptions call{.num_beams = options.num_beams,
                           .max_new_tokens = options.max_new_tokens,
                           .length_penalty = options.length_penalty,
                           .stop_tokens = stop_tokens(options)};
    const auto best = beam_search(*model_, state_, prompt, call).front();
    result.decode_seconds = seconds(start, Clock::now());
    result.tokens = best.tokens;
    const bool ended = !call.stop_tokens.empty() && best.tokens.back() == call.stop_tokens.front();
    StopTexts stops(options.stop);
    result.text = stops.push(tokenizer_->decode(best.tokens));
    if (!stops.met()) result.text += stops.flush();
    result.finish_reason = stops.met() ? "stop" : ended ? "eos" : "length";
    if (on_text) on_text(result.text);
    // The state goes on along the best beam.
    std::vector<int64_t> fed = state_.pending;
    fed.insert(fed.end(), prompt.begin(), prompt.end());
    fed.insert(fed.end(), best.tokens.begin(), best.tokens.end() - 1);
    if (!fed.empty()) prefill(*model_, state_, fed);
    state_.pending = {best.tokens.back()};
  }

  std::string origin_, name_, hash_;
  int64_t threads_;
  std::shared_ptr<RetnetImpl> model_;
  std::unique_ptr<Tokenizer> tokenizer_;
  RetentionState state_;
  std::vector<int64_t> history_;
};

Generator::Generator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Generator::Generator(Generator&&) noexcept = default;
Generator& Generator::operator=(Generator&&) noexcept = default;
Generator::~Generator() = default;

Generator Generator::from_file(const std::filesystem::path& weights, const GeneratorOptions& options) {
  check_options(options, "generate", /*language=*/true);
  return Generator(std::make_unique<Impl>(weights, options));
}

GeneratedText Generator::generate(std::string_view prompt, const TextOptions& options,
                                  const std::function<bool(std::string_view)>& on_text) {
  options.sampling.validate();
  if (options.max_new_tokens < 1) {
    throw InvalidArgument("[generate] max_new_tokens is " + std::to_string(options.max_new_tokens) +
                          "; at least 1 is accepted");
  }
  return impl_->generate(prompt, options, on_text);
}

void Generator::reset() { impl_->reset(); }
void Generator::save_state(const std::filesystem::path& path) const { impl_->save_state(path); }
void Generator::load_state(const std::filesystem::path& path) { impl_->load_state(path); }
const std::string& Generator::model_name() const { return impl_->name(); }

}  // namespace retentive::models
