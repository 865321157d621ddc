#include <models/pipelines/generator.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include <models/generation/detail/tokens.h>
#include <models/generation/generate.h>
#include <models/pipelines/detail/inference_scope.h>
#include <models/pipelines/detail/stop_texts.h>
#include <models/tokenizers/stream_decoder.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

double GeneratedText::tokens_per_second() const {
  return decode_seconds > 0 && !tokens.empty() ? static_cast<double>(tokens.size() - 1) / decode_seconds : 0;
}

class Generator::Impl {
 public:
  Impl(const std::filesystem::path& weights, const LanguageModelOptions& options)
      : language_(load_language_model(weights, options)),
        model_(language_.network),
        tokenizer_(language_.tokenizer),
        threads_(options.threads),
        state_(model_->new_state(1)) {
    for (int64_t id = 0; id < model_->config().vocab_size; ++id) {
      if (!has_token(id)) banned_.push_back(id);
    }
  }

  GeneratedText generate(std::string_view prompt, const TextOptions& options,
                         const std::function<bool(std::string_view)>& on_text) {
    const InferenceScope scope(threads_);
    check_eos(options);
    auto tokens = tokenizer_->encode(prompt, {.add_special_tokens = fresh()});
    // Bytes and some vocabularies have no token that begins a text: an empty prompt then begins a line.
    if (tokens.empty() && fresh()) tokens = tokenizer_->encode("\n");
    GeneratedText result;
    result.prompt_tokens = static_cast<int64_t>(tokens.size() + state_.pending.size());
    Output output(*this, tokens, options, on_text, result);
    if (options.num_beams > 1 && options.max_new_tokens > 0) {
      by_beams(tokens, options, output);
    } else {
      by_sampling(tokens, options, output);
    }
    return result;
  }

  void reset() {
    state_ = model_->new_state(1);
    history_.clear();
    sampler_.reset();
  }
  void save_state(const std::filesystem::path& path) const { state_.save(path, language_.hash); }
  void load_state(const std::filesystem::path& path) {
    auto loaded = RetentionState::load(path, language_.hash);
    model_->check_state(loaded);
    if (loaded.rows() != 1) throw StateError("[" + path.string() + "] holds several rows; a text has one");
    state_ = std::move(loaded);
    history_.clear();
  }
  const std::string& name() const { return language_.name; }
  const std::vector<std::string>& notes() const { return language_.notes; }

 private:
  // Vocabularies of models are often padded.
  bool has_token(int64_t id) const {
    if (id >= tokenizer_->vocab_size()) return false;
    try {
      tokenizer_->id_to_token(id);
      return true;
    } catch (const InvalidArgument&) {
      return false;
    }
  }

  bool fresh() const { return state_.positions.front() == 0 && state_.pending.empty(); }

  bool has_text(int64_t id) const { return has_token(id) && !tokenizer_->token_text(id).empty(); }

  void check_eos(const TextOptions& options) const {
    const auto words = model_->config().vocab_size;
    for (const auto id : options.eos_ids) {
      if (id >= 0 && id < words) continue;
      throw InvalidArgument("[generate] the token " + std::to_string(id) +
                            " is to end the text and is not in the vocabulary; the ids 0 to " +
                            std::to_string(words - 1) + " are accepted");
    }
  }

  // Tokens that end the text and are no part of it.
  std::vector<int64_t> eos_ids(const TextOptions& options) const {
    auto ids = options.eos_ids;
    if (!options.ignore_eos) ids.insert(ids.end(), language_.eos_ids.begin(), language_.eos_ids.end());
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
  }

  // Ids without a token, unless they end the text.
  std::vector<int64_t> banned(const std::vector<int64_t>& ends) const {
    auto ids = banned_;
    std::erase_if(ids, [&](int64_t id) { return detail::holds(ends, id); });
    return ids;
  }

  /// New tokens on their way to text.
  struct Output {
    Output(const Impl& self, std::span<const int64_t> prompt, const TextOptions& options,
           const std::function<bool(std::string_view)>& sink, GeneratedText& into)
        : generator(self),
          ends(self.eos_ids(options)),
          decoder(*self.tokenizer_),
          stops(options.stop),
          on_text(sink),
          result(into),
          start(Clock::now()) {
      // What a token says may depend on the ones before it: a leading space, the bytes of a character.
      for (const auto token : self.state_.pending) {
        if (self.has_token(token)) decoder.push(token);
      }
      for (const auto token : prompt) decoder.push(token);
    }

    // False when nothing more is wanted.
    bool push(int64_t token) {
      if (result.tokens.empty()) first = Clock::now();
      result.tokens.push_back(token);
      if (detail::holds(ends, token)) return true;
      // A special token has no text, but its name may be a stop text.
      const auto name = generator.has_text(token) ? "" : generator.tokenizer_->id_to_token(token);
      emit(stops.push(decoder.push(token), name));
      return !cancelled && !stops.met();
    }

    void finish(const char* otherwise) {
      if (result.tokens.empty()) first = Clock::now();
      result.prefill_seconds = seconds(start, first);
      result.decode_seconds = seconds(first, Clock::now());
      if (!stops.met() && !cancelled) emit(stops.push(decoder.flush()));
      if (!stops.met() && !cancelled) emit(stops.flush());
      result.finish_reason = cancelled ? "cancelled" : stops.met() ? "stop" : otherwise;
    }

    void emit(const std::string& piece) {
      result.text += piece;
      // Asked with empty pieces too: that is when a caller may want to stop.
      if (on_text && !on_text(piece)) cancelled = true;
    }

    const Impl& generator;
    const std::vector<int64_t> ends;
    StreamDecoder decoder;
    StopTexts stops;
    const std::function<bool(std::string_view)>& on_text;
    GeneratedText& result;
    Clock::time_point start, first = start;
    bool cancelled = false;
  };

  void by_sampling(const std::vector<int64_t>& prompt, const TextOptions& options, Output& output) {
    if (!sampler_ || options.sampling != sampling_) sampler_.emplace(sampling_ = options.sampling);
    const GenerationOptions call{
        .max_new_tokens = options.max_new_tokens, .banned = banned(output.ends), .stop_tokens = output.ends};
    const auto done = models::generate(*model_, state_, *sampler_, prompt, history_, call,
                                       [&](int64_t token) { return output.push(token); });
    output.finish(done.reason == FinishReason::stop_token ? "eos" : "length");
  }

  void by_beams(const std::vector<int64_t>& prompt, const TextOptions& options, Output& output) {
    BeamOptions call{.num_beams = options.num_beams,
                     .max_new_tokens = options.max_new_tokens,
                     .length_penalty = options.length_penalty,
                     .banned = banned(output.ends),
                     .stop_tokens = output.ends};
    // A beam that is cut at the name of a special token ends there.
    for (const auto& stop : options.stop) {
      const auto id = tokenizer_->token_to_id(stop);
      if (id && !has_text(*id) && !detail::holds(call.stop_tokens, *id)) call.stop_tokens.push_back(*id);
    }
    const auto best = beam_search(*model_, state_, prompt, call, [&] {
      output.emit("");
      return !output.cancelled;
    });
    const auto& tokens = best.front().tokens;
    const bool ended = detail::holds(output.ends, tokens.back());
    size_t taken = 0;
    while (taken < tokens.size() && output.push(tokens[taken++])) {
    }
    output.finish(ended && taken == tokens.size() ? "eos" : "length");
    // The state goes on along what was taken of the best beam.
    auto fed = detail::pending_and(state_, prompt);
    fed.insert(fed.end(), tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(taken) - 1);
    prefill(*model_, state_, fed);
    state_.pending = {tokens[taken - 1]};
    history_.insert(history_.end(), prompt.begin(), prompt.end());
    history_.insert(history_.end(), tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(taken));
  }

  LanguageModel language_;
  std::shared_ptr<RetnetImpl> model_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  int64_t threads_;
  RetentionState state_;
  std::vector<int64_t> history_;
  std::vector<int64_t> banned_;
  SamplingOptions sampling_;
  std::optional<Sampler> sampler_;
};

Generator::Generator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Generator::Generator(Generator&&) noexcept = default;
Generator& Generator::operator=(Generator&&) noexcept = default;
Generator::~Generator() = default;

Generator Generator::from_file(const std::filesystem::path& weights, const LanguageModelOptions& options) {
  return Generator(std::make_unique<Impl>(weights, options));
}

GeneratedText Generator::generate(std::string_view prompt, const TextOptions& options,
                                  const std::function<bool(std::string_view)>& on_text) {
  options.sampling.validate();
  if (options.max_new_tokens < 0) {
    throw InvalidArgument("[generate] max_new_tokens is " + std::to_string(options.max_new_tokens) +
                          "; 0 (only read the prompt) or more is accepted");
  }
  SamplingOptions plain;
  plain.seed = options.sampling.seed;
  if (options.num_beams > 1 && options.sampling != plain) {
    throw InvalidArgument("[generate] num_beams is " + std::to_string(options.num_beams) +
                          ", and beam search takes no sampling options; leave them out, or num_beams");
  }
  return impl_->generate(prompt, options, on_text);
}

void Generator::reset() { impl_->reset(); }
void Generator::save_state(const std::filesystem::path& path) const { impl_->save_state(path); }
void Generator::load_state(const std::filesystem::path& path) { impl_->load_state(path); }
const std::vector<std::string>& Generator::notes() const { return impl_->notes(); }
const std::string& Generator::model_name() const { return impl_->name(); }

}  // namespace retentive::models
