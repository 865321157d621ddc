#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include <datasets/text.h>
#include <models/checkpoint.h>
#include <models/eval_mode.h>
#include <models/generation/perplexity.h>
#include <models/registry.h>
#include <models/tokenizers/tokenizer.h>
#include <models/training/data_fingerprint.h>
#include <models/training/task.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

using datasets::Document;
using datasets::TokenBatch;

struct TextData {
  std::vector<Document> train;
  std::vector<Document> validation;
  std::map<std::string, std::string> prints;  // see TrainingTask::data
};

// The first byte of a character at or behind `position`.
size_t character_start(const std::string& text, size_t position) {
  while (position < text.size() && (static_cast<unsigned char>(text[position]) & 0xc0) == 0x80) ++position;
  return position;
}

TextData open_texts(const DataSection& data) {
  TextData result{datasets::read_documents(data.train), {}, {}};
  result.prints["data.train"] = fingerprint_texts(result.train);
  if (!data.validation.empty()) {
    result.validation = datasets::read_documents(data.validation);
    result.prints["data.validation"] = fingerprint_texts(result.validation);
    return result;
  }
  for (auto& document : result.train) {
    const auto kept = static_cast<size_t>((1 - data.validation_fraction) * static_cast<double>(document.text.size()));
    const auto middle = character_start(document.text, kept);
    result.validation.push_back({document.name, document.text.substr(middle)});
    document.text.resize(middle);
  }
  return result;
}

struct LanguageTarget {
  RetnetConfig config;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<RetnetImpl> model;
  std::vector<int64_t> eos_ids = {};  ///< that the weights came with
};

std::shared_ptr<const Tokenizer> tokenizer_of(const RunConfig& config, const std::optional<Checkpoint>& weights) {
  if (!config.data.tokenizer.empty()) return load_tokenizer(config.data.tokenizer);
  if (weights && !weights->card.tokenizer.empty()) return parse_tokenizer(weights->card.tokenizer, weights->path);
  throw ConfigError("[train] data.tokenizer is empty" + std::string(weights ? " and model.weights has none" : "") +
                    "; \"bytes\", a tokenizer.json or a SentencePiece model is accepted; `retentive tokenizer train` "
                    "makes one");
}

LanguageTarget build_target(const RunConfig& config) {
  const auto model_config = config.model.config ? *config.model.config : find_model(config.model.name).config;
  const auto* language = std::get_if<RetnetConfig>(&model_config);
  if (language == nullptr) {
    throw ConfigError("[train] the data are text and the model reads images; name a language model");
  }
  LanguageTarget target{*language, nullptr, nullptr};
  std::optional<Checkpoint> weights;
  if (!config.model.weights.empty()) weights = read_checkpoint(config.model.weights);
  target.tokenizer = tokenizer_of(config, weights);
  // Weights bring their vocabulary, which may be larger than that of the tokenizer; a fresh model takes the latter's.
  if (!weights) {
    target.config.vocab_size = target.tokenizer->vocab_size();
  } else if (const auto* theirs = std::get_if<RetnetConfig>(weights->card.config ? &*weights->card.config : nullptr)) {
    target.config.vocab_size = theirs->vocab_size;
  }
  if (target.tokenizer->vocab_size() > target.config.vocab_size) {
    throw ConfigError("[train] the tokenizer has " + std::to_string(target.tokenizer->vocab_size()) +
                      " tokens and the model " + std::to_string(target.config.vocab_size) +
                      "; a tokenizer with no more tokens than the weights is accepted; leave data.tokenizer empty to "
                      "take that of the weights");
  }
  target.model = as_language_model(build(target.config, static_cast<uint64_t>(config.run.seed)), "train");
  if (weights) load_state(*target.model, *weights);
  if (weights && config.data.tokenizer.empty()) target.eos_ids = weights->card.eos_ids;
  return target;
}

std::vector<int64_t> encode(const LanguageTarget& target, const std::string& text) {
  auto tokens = target.tokenizer->encode(text, {.add_special_tokens = true, .match_special_tokens = false});
  const auto end = target.eos_ids.empty() ? target.tokenizer->eos_id() : target.eos_ids.front();
  if (end && (tokens.empty() || tokens.back() != *end)) tokens.push_back(*end);
  return tokens;
}

std::vector<std::vector<int64_t>> encode_all(const LanguageTarget& target, const std::vector<Document>& documents) {
  std::vector<std::vector<int64_t>> result;
  for (const auto& document : documents) result.push_back(encode(target, document.text));
  return result;
}

class LanguageTask final : public TrainingTask {
 public:
  explicit LanguageTask(const RunConfig& config)
      : target_(build_target(config)),
        texts_(open_texts(config.data)),
        data_(encode_all(target_, texts_.train), {.rows = config.run.batch_size,
                                                  .length = config.data.sequence_length,
                                                  .seed = static_cast<uint64_t>(config.run.seed)}),
        call_{.form = config.model.form, .chunk = config.model.chunk},
        window_(config.data.validation_window) {
    texts_.train.clear();
    texts_.prints["data.tokenizer"] = fingerprint_texts({{"tokenizer", target_.tokenizer->serialize()}});
    validation_ = encode_all(target_, texts_.validation);
    for (size_t i = 0; i < validation_.size(); ++i) {
      validation_bytes_ += predicted_bytes(*target_.tokenizer, texts_.validation[i].text, validation_[i]);
    }
    std::erase_if(validation_, [](const auto& tokens) { return tokens.size() < 2; });
    if (validation_.empty()) {
      throw DataError(
          "[train] the validation text has fewer than 2 tokens; give more text in data.validation, or a "
          "larger data.validation_fraction");
    }
  }

  torch::nn::Module& model() override { return *target_.model; }
  std::vector<vision::ParameterGroup> parameter_groups(double) const override {
    return target_.model->parameter_groups();
  }
  void set_generator(const at::Generator& generator) override { target_.model->set_generator(generator); }

  int64_t steps_per_epoch() const override { return data_.size(); }
  int64_t items_per_step() const override { return data_.options().rows * data_.options().length; }
  std::string items() const override { return "tokens"; }

  void begin_epoch(int64_t number, int64_t steps) override {
    epoch_ = data_.epoch(number);
    next_ = steps;
  }

  torch::Tensor next_loss() override {
    auto batch = data_.batch(epoch_, next_++);
    const auto tensor = [](std::vector<int64_t>& values, at::IntArrayRef shape) {
      return torch::from_blob(values.data(), shape, torch::kLong);
    };
    const auto tokens = tensor(batch.tokens, {batch.rows, batch.length}).clone();
    const auto targets = tensor(batch.targets, {batch.rows * batch.length}).clone();
    auto call = call_;
    const auto sequences = static_cast<int64_t>(batch.ranges.size()) / 2;
    if (sequences > batch.rows) call.ranges = tensor(batch.ranges, {sequences, 2}).clone();
    const auto logits = target_.model->forward(tokens, nullptr, call);  // [B, T, V]
    return torch::nn::functional::cross_entropy(
        logits.flatten(0, 1), targets,
        torch::nn::functional::CrossEntropyFuncOptions().ignore_index(TokenBatch::kNoTarget));
  }

  Scores validate(torch::nn::Module& model, const std::atomic<bool>* stop) override {
    const EvalMode eval_mode(model);
    auto& language = dynamic_cast<RetnetImpl&>(model);
    double nll = 0;
    int64_t tokens = 0;
    for (const auto& document : validation_) {
      if (stop != nullptr && stop->load()) break;
      const auto result = perplexity(language, document, {.window = window_});
      nll += result.nll;
      tokens += result.tokens;
    }
    const double count = static_cast<double>(std::max<int64_t>(tokens, 1));
    return {.bits_per_byte = nll / std::log(2.0) / static_cast<double>(validation_bytes_), .loss = nll / count};
  }
  std::string validation_size() const override { return std::to_string(validation_bytes_) + " bytes"; }

  std::map<std::string, std::string> data() const override { return texts_.prints; }

  ModelCard card() const override {
    ModelCard card;
    card.config = target_.config;
    card.tokenizer = target_.tokenizer->serialize();
    card.eos_ids = target_.eos_ids;
    return card;
  }

 private:
  LanguageTarget target_;
  TextData texts_;
  datasets::PackedDocuments data_;
  SequenceCall call_;
  int64_t window_;
  std::vector<std::vector<int64_t>> validation_;
  int64_t validation_bytes_ = 0;
  datasets::PackedDocuments::Epoch epoch_;
  int64_t next_ = 0;
};

}  // namespace

std::unique_ptr<TrainingTask> make_language_task(const RunConfig& config) {
  return std::make_unique<LanguageTask>(config);
}

}  // namespace retentive::models
