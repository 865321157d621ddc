#include <models/pipelines/language_model.h>

#include <models/model_hash.h>
#include <models/pipelines/builtin_weights.h>
#include <models/registry.h>
#include <retention/base/error.h>
#include <retention/nn/inference.h>

namespace retentive::models {
namespace {

std::unique_ptr<Tokenizer> tokenizer_of(const ModelCard& card, const std::string& given, const std::string& origin,
                                        std::vector<std::string>& notes) {
  if (!given.empty()) {
    auto tokenizer = load_tokenizer(given);
    if (!card.tokenizer.empty() && tokenizer->serialize() != card.tokenizer) {
      notes.push_back("the tokenizer " + given + " takes the place of the one that " + origin +
                      " carries; leave --tokenizer out to use that");
    }
    return tokenizer;
  }
  if (!card.tokenizer.empty()) return parse_tokenizer(card.tokenizer, origin);
  throw ConfigError("[" + origin +
                    "] carries no tokenizer; name one with --tokenizer (\"bytes\", tokenizer.json or tokenizer.model)");
}

}  // namespace

LanguageModel load_language_model(const std::filesystem::path& weights, const LanguageModelOptions& options) {
  check_options(options, "language model", /*language=*/true);
  ModelChoice choice;
  if (!options.model.empty()) choice.name = options.model;
  const auto checkpoint = weights.empty()
                              ? read_builtin_checkpoint(choice.name.value_or(kDefaultLanguageModel), "language model")
                              : read_checkpoint(weights);
  const auto loaded = load_model(checkpoint, choice);
  const auto& origin = checkpoint.path;
  LanguageModel model;
  model.name = loaded.card.name.empty() ? origin : loaded.card.name;
  model.network = as_language_model(loaded.model, origin);
  model.notes = loaded.report.warnings;
  model.tokenizer = tokenizer_of(loaded.card, options.tokenizer, origin, model.notes);
  model.eos_ids = loaded.card.eos_ids;
  if (const auto eos = model.tokenizer->eos_id(); eos && model.eos_ids.empty()) model.eos_ids = {*eos};
  const auto words = model.network->config().vocab_size;
  if (model.tokenizer->vocab_size() > words) {
    throw ConfigError("[" + origin + "] has a vocabulary of " + std::to_string(words) + " tokens and the tokenizer " +
                      std::to_string(model.tokenizer->vocab_size()) + "; " +
                      (options.tokenizer.empty() || loaded.card.tokenizer.empty()
                           ? "name the tokenizer that it was trained with"
                           : "leave --tokenizer out: the file carries the tokenizer that it was trained with"));
  }
  model.hash = model_hash(*model.network);
  nn::prepare_inference(*model.network, {.precision = options.precision});
  return model;
}

}  // namespace retentive::models
