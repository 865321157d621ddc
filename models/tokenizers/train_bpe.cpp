#include <models/tokenizers/train_bpe.h>

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include <models/formats/message.h>
#include <models/tokenizers/detail/bpe_trainer.h>
#include <models/tokenizers/detail/files.h>
#include <models/tokenizers/detail/utf8.h>
#include <models/tokenizers/detail/word_counter.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

using Json = nlohmann::ordered_json;

[[noreturn]] void fail_option(const std::string& what) { throw InvalidArgument("[tokenizer train] " + what); }

void check(const BpeTrainingOptions& options) {
  constexpr std::int64_t kLargest = 1'000'000;
  const auto smallest = static_cast<std::int64_t>(256 + options.special_tokens.size());
  if (options.vocab_size < smallest || options.vocab_size > kLargest) {
    fail_option("vocab_size is " + std::to_string(options.vocab_size) + "; " + std::to_string(smallest) + " (" +
                std::to_string(options.special_tokens.size()) + " special tokens and 256 bytes) to " +
                std::to_string(kLargest) + " is accepted");
  }
  if (options.min_frequency < 1) {
    fail_option("min_frequency is " + std::to_string(options.min_frequency) + "; 1 or more is accepted");
  }
  std::set<std::string> seen;
  for (const std::string& token : options.special_tokens) {
    if (detail::valid_utf8(token) != token || token.size() < 3 || !seen.insert(token).second) {
      fail_option("special token " + formats::in_quotes(token) +
                  " is malformed, repeated or shorter than 3 bytes; give names such as <|endoftext|>");
    }
  }
  if (!options.end_of_text.empty() && !seen.contains(options.end_of_text)) {
    std::string names;
    for (const std::string& token : seen) names += (names.empty() ? "" : ", ") + formats::in_quotes(token);
    fail_option("end_of_text is " + formats::in_quotes(options.end_of_text) + ", which is no special token (" +
                (names.empty() ? "there are none" : names) + "); name it among the special tokens too");
  }
}

Json byte_level(bool add_prefix_space) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"trim_offsets", true}, {"use_regex", true}};
}

// The template of two texts is the one place of the format that says what comes between them.
Json post_processor(const BpeTrainingOptions& options) {
  if (options.end_of_text.empty()) return byte_level(options.add_prefix_space);
  const auto& end = options.end_of_text;
  const auto place = std::find(options.special_tokens.begin(), options.special_tokens.end(), end);
  const auto id = place - options.special_tokens.begin();
  const auto text = [](const char* name, int type) -> Json {
    return {{"Sequence", {{"id", name}, {"type_id", type}}}};
  };
  const Json between = {{"SpecialToken", {{"id", end}, {"type_id", 0}}}};
  const Json around = {
      {"type", "TemplateProcessing"},
      {"single", Json::array({text("A", 0)})},
      {"pair", Json::array({text("A", 0), between, text("B", 1)})},
      {"special_tokens", {{end, {{"id", end}, {"ids", Json::array({id})}, {"tokens", Json::array({end})}}}}}};
  return {{"type", "Sequence"}, {"processors", Json::array({byte_level(options.add_prefix_space), around})}};
}

Json model_json(const detail::BpeTrainer& trainer) {
  Json vocab = Json::object(), merges = Json::array();
  for (const std::string& token : trainer.tokens()) {
    // An ordered object searches all its keys on [] and emplace(); ids are the places, so keys are known to be new.
    vocab.get_ref<Json::object_t&>().push_back({token, static_cast<std::int64_t>(vocab.size())});
  }
  for (const auto& [left, right] : trainer.merges()) merges.push_back(Json::array({left, right}));
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", std::move(vocab)},
          {"merges", std::move(merges)}};
}

std::string tokenizer_json(const detail::BpeTrainer& trainer, const BpeTrainingOptions& options) {
  Json added = Json::array();
  for (const std::string& token : options.special_tokens) {
    added.push_back({{"id", added.size()},
                     {"content", token},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  const Json json = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", std::move(added)},
                     {"normalizer", nullptr},
                     {"pre_tokenizer", byte_level(options.add_prefix_space)},
                     {"post_processor", post_processor(options)},
                     {"decoder", byte_level(options.add_prefix_space)},
                     {"model", model_json(trainer)}};
  return json.dump();
}

std::unique_ptr<BpeTokenizer> learn(detail::WordCounter& counter, const BpeTrainingOptions& options,
                                    const BpeProgress& progress) {
  const detail::WordCounts counts = counter.take();
  if (counts.empty()) throw DataError("[tokenizer train] the texts are empty; give files with text");
  detail::BpeTrainer trainer(counts, options.special_tokens);
  trainer.run(static_cast<std::size_t>(options.vocab_size), options.min_frequency, [&](std::size_t tokens) {
    if (progress) progress("merge", static_cast<std::int64_t>(tokens), options.vocab_size);
  });
  return BpeTokenizer::from_json(tokenizer_json(trainer, options), "the trained tokenizer");
}

}  // namespace

std::unique_ptr<BpeTokenizer> train_bpe(std::span<const std::string> texts, const BpeTrainingOptions& options,
                                        const BpeProgress& progress) {
  check(options);
  std::int64_t done = 0, total = 0;
  for (const std::string& text : texts) total += static_cast<std::int64_t>(text.size());
  detail::WordCounter counter(options.special_tokens, options.add_prefix_space);
  for (const std::string& text : texts) {
    counter.add(text);
    done += static_cast<std::int64_t>(text.size());
    if (progress) progress("read", done, total);
  }
  return learn(counter, options, progress);
}

std::unique_ptr<BpeTokenizer> train_bpe_files(std::span<const std::filesystem::path> files,
                                              const BpeTrainingOptions& options, const BpeProgress& progress) {
  check(options);
  std::int64_t done = 0, total = 0;
  for (const auto& file : files) {
    std::error_code missing;
    const auto size = std::filesystem::file_size(file, missing);
    if (!missing) total += static_cast<std::int64_t>(size);
  }
  detail::WordCounter counter(options.special_tokens, options.add_prefix_space);
  for (const auto& file : files) {
    const std::string text = detail::read_file(file, "a text file");
    counter.add(text);
    done += static_cast<std::int64_t>(text.size());
    if (progress) progress("read", done, total);
  }
  return learn(counter, options, progress);
}

}  // namespace retentive::models
