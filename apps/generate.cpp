#include <unistd.h>

#include <iostream>
#include <memory>
#include <optional>

#include <nlohmann/json.hpp>

#include <apps/command.h>
#include <apps/interrupt.h>
#include <apps/notes.h>
#include <apps/seed.h>
#include <apps/text_input.h>
#include <models/model_folder.h>
#include <models/pipelines/generator.h>
#include <retention/base/run_files.h>

namespace retentive::apps {
namespace {

using Json = nlohmann::ordered_json;

struct Flags {
  std::string weights;
  std::string prompt;
  std::string prompt_file;
  std::string save_state;
  std::string load_state;
  bool prompt_given = false;
  bool interactive = false;
  bool json = false;
  bool echo = false;
  models::LanguageModelOptions run;
  models::TextOptions text;
};

std::string prompt_of(const Flags& flags) {
  if (flags.prompt_given) return flags.prompt;
  return flags.prompt_file.empty() ? "" : read_text_input(flags.prompt_file, "generate");
}

void print_summary(const models::GeneratedText& done) {
  char line[160];
  std::snprintf(line, sizeof line, "%lld prompt tokens in %.2f s, %zu new ones at %.1f tokens/s, ended by %s\n",
                static_cast<long long>(done.prompt_tokens), done.prefill_seconds, done.tokens.size(),
                done.tokens_per_second(), done.finish_reason.c_str());
  std::cerr << line;
}

Json summary_json(const models::GeneratedText& done) {
  return {{"done", true},
          {"text", done.text},
          {"finish_reason", done.finish_reason},
          {"prompt_tokens", done.prompt_tokens},
          {"new_tokens", done.tokens.size()},
          {"prefill_seconds", done.prefill_seconds},
          {"tokens_per_second", done.tokens_per_second()}};
}

void generate_once(models::Generator& generator, const Flags& flags, const std::string& prompt) {
  // Before the first new token Ctrl-C ends the program at once: there is no text yet, and a prompt may be long.
  std::optional<InterruptScope> scope;
  if (flags.echo && !flags.json) std::cout << prompt << std::flush;
  const auto done = generator.generate(prompt, flags.text, [&](std::string_view piece) {
    if (!scope) scope.emplace();
    if (flags.json) {
      std::cout << Json{{"text", piece}}.dump() << std::endl;
    } else {
      std::cout << piece << std::flush;
    }
    return !scope->requested();
  });
  if (flags.json) {
    std::cout << summary_json(done).dump() << std::endl;
  } else {
    std::cout << std::endl;
  }
  print_summary(done);
}

void converse(models::Generator& generator, const Flags& flags) {
  const bool terminal = isatty(0) == 1;
  if (terminal) std::cerr << "each line continues the text; :reset forgets it, Ctrl-C stops an answer, Ctrl-D ends\n";
  for (std::string line;;) {
    if (terminal) std::cerr << "> ";
    if (!std::getline(std::cin, line)) break;
    if (line == ":reset") {
      generator.reset();
      continue;
    }
    generate_once(generator, flags, line + "\n");
  }
  if (terminal) std::cerr << "\n";
}

int run_generate(const Flags& flags) {
  RunFiles("generate")
      .read_all(models::model_files(flags.weights))
      .read(flags.prompt_file)
      .read(flags.run.tokenizer)
      .read(flags.load_state)
      .write("--save-state", flags.save_state)
      .check();
  auto generator = models::Generator::from_file(flags.weights, flags.run);
  print_notes(generator.notes());
  if (!flags.load_state.empty()) generator.load_state(flags.load_state);
  if (flags.interactive) {
    converse(generator, flags);
  } else {
    generate_once(generator, flags, prompt_of(flags));
  }
  if (!flags.save_state.empty()) generator.save_state(flags.save_state);
  return kSuccess;
}

void add_sampling_flags(CLI::App& app, models::SamplingOptions& sampling) {
  models::SamplingOptions::visit(sampling, [&app](const char* name, auto& field, const char* help) {
    std::string flag = std::string("--") + name;
    std::replace(flag.begin(), flag.end(), '_', '-');
    auto* option = app.add_option(flag, field, help)->capture_default_str()->group("Sampling");
    if constexpr (std::is_same_v<decltype(field), uint64_t&>) option->check(seed_check());
  });
}

Action setup(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("--weights", flags->weights,
                 "weights file, or a folder with config.json and weights; default: built-in Shakespeare");
  auto* prompt = app.add_option("--prompt", flags->prompt, "text to continue");
  auto* prompt_file =
      app.add_option("--prompt-file", flags->prompt_file,
                     "file with the text to continue, as it stands, line end included; - for standard input")
          ->excludes(prompt);
  app.add_option("-n,--max-new-tokens", flags->text.max_new_tokens,
                 "new tokens at most; 0 only reads the prompt, for --save-state")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  app.add_option("--stop", flags->text.stop,
                 "text, or name of a special token, that ends generation; may be given several times");
  app.add_option("--eos-id", flags->text.eos_ids,
                 "id of a token that ends the text besides the model's own; may be given several times");
  app.add_flag("--ignore-eos", flags->text.ignore_eos, "go on after the model's own end-of-text tokens");
  app.add_flag("--echo", flags->echo, "print the prompt too");
  app.add_option("--tokenizer", flags->run.tokenizer,
                 "bytes, tokenizer.json or SentencePiece model; default: the model's");
  app.add_option("--model", flags->run.model, "registered model, for a file that does not say what it is");
  add_enum_option(app, "--precision", flags->run.precision, "number type of the network");
  app.add_option("--threads", flags->run.threads, "threads; default: all cores")->check(CLI::Range(1, 1024));
  add_sampling_flags(app, flags->text.sampling);
  app.add_option("--num-beams", flags->text.num_beams,
                 "above 1: beam search instead of sampling; it ends when as many texts are finished and "
                 "none of the others scores higher")
      ->check(CLI::Range(1, 1024))
      ->group("Beam search");
  app.add_option("--length-penalty", flags->text.length_penalty, "scores are log probability / length^this; 1")
      ->group("Beam search");
  app.add_option("--save-state", flags->save_state, "file for the state after the text")->group("State");
  app.add_option("--load-state", flags->load_state, "go on from a saved state")->group("State");
  app.add_flag("-i,--interactive", flags->interactive, "continue line after line from standard input")
      ->excludes(prompt)
      ->excludes(prompt_file);
  app.add_flag("--json", flags->json, "one JSON object a line: {\"text\"} for each piece, then {\"done\", ...}");
  app.callback([flags, prompt] { flags->prompt_given = prompt->count() > 0; });
  return [flags] { return run_generate(*flags); };
}

}  // namespace

Command generate_command() { return {"generate", "Continue a text with a language model", setup}; }

}  // namespace retentive::apps
