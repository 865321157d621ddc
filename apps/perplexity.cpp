#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include <apps/command.h>
#include <apps/notes.h>
#include <apps/progress.h>
#include <apps/text_input.h>
#include <models/generation/perplexity.h>
#include <models/pipelines/language_model.h>

namespace retentive::apps {
namespace {

using Json = nlohmann::ordered_json;

struct Flags {
  std::string weights;
  std::string text;
  bool json = false;
  models::LanguageModelOptions run;
  models::PerplexityOptions measure;
};

Json to_json(const models::PerplexityResult& result, const Flags& flags, int64_t bytes) {
  Json buckets = Json::array();
  for (const auto& bucket : result.buckets) {
    if (bucket.tokens == 0) continue;
    buckets.push_back({{"begin", bucket.begin},
                       {"end", bucket.end},
                       {"tokens", bucket.tokens},
                       {"nll_per_token", bucket.nll / static_cast<double>(bucket.tokens)}});
  }
  return {{"weights", flags.weights},
          {"precision", enum_name(flags.run.precision)},
          {"window", flags.measure.window},
          {"tokens", result.tokens},
          {"bytes", bytes},
          {"nll_per_token", result.nll / static_cast<double>(result.tokens)},
          {"perplexity", result.perplexity()},
          {"bits_per_byte", result.bits_per_byte(bytes)},
          {"buckets", buckets}};
}

void print(const models::PerplexityResult& result, int64_t bytes) {
  char line[160];
  std::snprintf(line, sizeof line, "perplexity %.4f a token, %.4f bits a byte (%lld tokens, %lld bytes)\n",
                result.perplexity(), result.bits_per_byte(bytes), static_cast<long long>(result.tokens),
                static_cast<long long>(bytes));
  std::cout << line << "position             tokens  perplexity\n";
  for (const auto& bucket : result.buckets) {
    if (bucket.tokens == 0) continue;
    std::snprintf(line, sizeof line, "%8lld - %-8lld %8lld  %10.4f\n", static_cast<long long>(bucket.begin),
                  static_cast<long long>(bucket.end - 1), static_cast<long long>(bucket.tokens),
                  std::exp(bucket.nll / static_cast<double>(bucket.tokens)));
    std::cout << line;
  }
}

int run_perplexity(const Flags& flags) {
  const auto model = models::load_language_model(flags.weights, flags.run);
  print_notes(model.notes);
  if (flags.run.threads > 0) at::set_num_threads(static_cast<int>(flags.run.threads));
  const auto text = read_text_input(flags.text, "perplexity");
  const auto tokens = model.tokenizer->encode(text, {.add_special_tokens = true, .match_special_tokens = false});
  ProgressMeter meter(static_cast<int64_t>(tokens.size()) - 1, "tokens");
  const auto result =
      models::perplexity(*model.network, tokens, flags.measure, [&meter, shown = int64_t{0}](int64_t done) mutable {
        for (; shown < done; ++shown) meter.advance();
      });
  meter.hide();
  const auto bytes = models::predicted_bytes(*model.tokenizer, text, tokens);
  if (flags.json) {
    std::cout << to_json(result, flags, bytes).dump() << "\n";
  } else {
    print(result, bytes);
  }
  return kSuccess;
}

}  // namespace

Command perplexity_command() {
  return {"perplexity", "Score a language model on a text", [](CLI::App& app) -> Action {
            auto flags = std::make_shared<Flags>();
            app.add_option("--weights", flags->weights,
                           "weights file, or a folder with config.json and weights; default: built-in Shakespeare");
            app.add_option("TEXT", flags->text, "text file; - for standard input")->required();
            app.add_option("--window", flags->measure.window,
                           "tokens that are read together; default 0: one stream with carried state")
                ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
            app.add_option("--tokenizer", flags->run.tokenizer,
                           "bytes, tokenizer.json or SentencePiece model; default: the model's");
            app.add_option("--model", flags->run.model, "registered model, for a file that does not say what it is");
            add_enum_option(app, "--precision", flags->run.precision, "number type of the network");
            app.add_option("--threads", flags->run.threads, "threads; default: all cores")->check(CLI::Range(1, 1024));
            app.add_flag("--json", flags->json, "one JSON object");
            app.footer("Bits a byte count the bytes of the tokens that are predicted: all but the first.");
            return [flags] { return run_perplexity(*flags); };
          }};
}

}  // namespace retentive::apps
