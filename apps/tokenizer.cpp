#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>

#include <nlohmann/json.hpp>

#include <apps/command.h>
#include <apps/progress.h>
#include <apps/text.h>
#include <apps/text_input.h>
#include <models/tokenizers/tokenizer.h>
#include <models/tokenizers/train_bpe.h>
#include <retention/base/error.h>
#include <retention/base/run_files.h>

namespace retentive::apps {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kTokenizerHelp = "tokenizer.json, SentencePiece model, or the word \"bytes\"";

struct TrainFlags {
  models::BpeTrainingOptions options;
  std::vector<std::filesystem::path> files;
  std::string output;
  bool force = false;
  bool json = false;
};

struct TextFlags {
  std::string tokenizer;
  std::vector<std::string> input;
  bool special = false;
  bool plain = false;
  bool json = false;
};

/// Shows training on stderr: bytes read, then tokens made.
class TrainingMeter {
 public:
  void report(std::string_view stage, int64_t done, int64_t total) {
    const bool reading = stage == "read";
    const int64_t unit = reading ? 1 << 20 : 1;
    if (stage != stage_) {
      stage_ = stage;
      shown_ = 0;
      meter_.emplace(total / unit, reading ? "MiB" : "tokens");
    }
    for (; shown_ < done / unit; ++shown_) meter_->advance();
  }

 private:
  std::string stage_;
  int64_t shown_ = 0;
  std::optional<ProgressMeter> meter_;
};

void print_json(const Json& json) { std::cout << json.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n"; }

void print_row(const std::string& title, const std::string& text) { std::cout << padded(title, 12) << text << "\n"; }

int train(const TrainFlags& flags) {
  RunFiles("tokenizer train").read_all(flags.files).write("--output", flags.output).check();
  if (!flags.force && replaces_file(flags.output)) {
    throw InvalidArgument("[tokenizer train] " + flags.output + " exists; give another --output, or --force");
  }
  std::unique_ptr<models::BpeTokenizer> tokenizer;
  {
    TrainingMeter meter;
    tokenizer = models::train_bpe_files(
        flags.files, flags.options,
        [&](std::string_view stage, int64_t done, int64_t total) { meter.report(stage, done, total); });
  }
  tokenizer->save(flags.output);
  const auto eos = tokenizer->eos_id();
  if (!eos) {
    std::cerr << "note: none of the special tokens is known to end a text, so generation will not end by itself; name "
              << "the one that does with --eos\n";
  }
  const int64_t size = tokenizer->vocab_size();
  if (size < flags.options.vocab_size) {
    std::cerr << "warning: no pair is frequent enough after " << size << " tokens; give more text, or a smaller "
              << "--min-frequency\n";
  }
  if (flags.json) {
    print_json({{"output", flags.output},
                {"vocab_size", size},
                {"files", flags.files.size()},
                {"eos_id", eos ? Json(*eos) : Json(nullptr)}});
  } else {
    std::cout << flags.output << ": " << with_commas(size) << " tokens from " << flags.files.size() << " file"
              << (flags.files.size() == 1 ? "" : "s") << "\n";
  }
  return kSuccess;
}

int encode(const TextFlags& flags) {
  const auto tokenizer = models::load_tokenizer(flags.tokenizer);
  const bool piped = flags.input.empty() || flags.input == std::vector<std::string>{"-"};
  std::string text = piped ? read_standard_input() : "";
  for (const auto& word : piped ? std::vector<std::string>() : flags.input) text += (text.empty() ? "" : " ") + word;
  const auto ids = tokenizer->encode(text, {.add_special_tokens = flags.special, .match_special_tokens = !flags.plain});
  if (flags.json) {
    Json tokens = Json::array();
    for (const int64_t id : ids) tokens.push_back(tokenizer->id_to_token(id));
    print_json({{"ids", ids}, {"tokens", tokens}});
    return kSuccess;
  }
  for (size_t i = 0; i < ids.size(); ++i) std::cout << (i > 0 ? " " : "") << ids[i];
  std::cout << "\n";
  return kSuccess;
}

int decode(const TextFlags& flags) {
  const auto tokenizer = models::load_tokenizer(flags.tokenizer);
  std::string words;
  for (const auto& word : flags.input) words += word + " ";
  if (flags.input.empty() || flags.input == std::vector<std::string>{"-"}) words = read_standard_input();
  std::istringstream in(words);
  std::vector<int64_t> ids;
  for (std::string word; in >> word;) {
    size_t end = 0;
    int64_t id = -1;
    try {
      id = std::stoll(word, &end);
    } catch (const std::exception&) {
      end = 0;
    }
    if (end != word.size()) {
      throw InvalidArgument("[tokenizer decode] \"" + word +
                            "\" is no id; whole numbers with spaces between are accepted");
    }
    ids.push_back(id);
  }
  const std::string text = tokenizer->decode(ids, !flags.special);
  flags.json ? print_json({{"text", text}}) : void(std::cout << text << "\n");
  return kSuccess;
}

int inspect(const TextFlags& flags) {
  const auto tokenizer = models::load_tokenizer(flags.tokenizer);
  const auto reserved = [](std::optional<int64_t> id) { return id ? Json(*id) : Json(nullptr); };
  if (flags.json) {
    print_json({{"path", flags.tokenizer},
                {"kind", tokenizer->kind()},
                {"vocab_size", tokenizer->vocab_size()},
                {"bos_id", reserved(tokenizer->bos_id())},
                {"eos_id", reserved(tokenizer->eos_id())},
                {"serialized_bytes", tokenizer->serialize().size()}});
    return kSuccess;
  }
  const auto described = [&](std::optional<int64_t> id) {
    return id ? std::to_string(*id) + " " + tokenizer->id_to_token(*id) : std::string("none");
  };
  print_row("tokenizer", flags.tokenizer);
  print_row("kind", tokenizer->kind());
  print_row("ids", "0 to " + with_commas(tokenizer->vocab_size() - 1));
  print_row("begins text", described(tokenizer->bos_id()));
  print_row("ends text", described(tokenizer->eos_id()));
  print_row("in weights", with_commas(static_cast<int64_t>(tokenizer->serialize().size())) + " bytes of metadata");
  return kSuccess;
}

void add_train_options(CLI::App& app, TrainFlags& flags) {
  app.add_option("FILE", flags.files, "text files, UTF-8")->required();
  app.add_option("--vocab-size", flags.options.vocab_size,
                 "tokens in the end, bytes and special tokens included; 8192");
  app.add_option("--output", flags.output, "tokenizer.json to write; the Python tokenizers library reads it too")
      ->required();
  app.add_option("--min-frequency", flags.options.min_frequency, "pairs rarer than this are never merged; 2");
  app.add_option("--special", flags.options.special_tokens, "special token, may be repeated; <|endoftext|> by default")
      ->allow_extra_args(false);
  app.add_option("--eos", flags.options.end_of_text,
                 "the special token that ends a text; default: by its name, as </s>");
  app.add_flag("--add-prefix-space", flags.options.add_prefix_space, "spell the first word of a text as any other");
  app.add_flag("--force", flags.force, "replace an existing output file");
  app.add_flag("--json", flags.json, "one JSON object instead of text");
}

void add_text_options(CLI::App& app, TextFlags& flags, const std::string& input) {
  app.add_option("--tokenizer", flags.tokenizer, kTokenizerHelp)->required();
  app.add_option(input == "text" ? "TEXT" : "ID", flags.input, input + "; - or nothing reads standard input");
  app.add_flag("--json", flags.json, "one JSON object instead of text");
}

Action setup(CLI::App& app) {
  auto train_flags = std::make_shared<TrainFlags>();
  auto text_flags = std::make_shared<TextFlags>();
  auto* train_app = app.add_subcommand("train", "learn a byte-level BPE from text files");
  auto* encode_app = app.add_subcommand("encode", "text to ids");
  auto* decode_app = app.add_subcommand("decode", "ids to text");
  auto* inspect_app = app.add_subcommand("inspect", "what a tokenizer is, and whether it can be read");
  app.require_subcommand(1);
  add_train_options(*train_app, *train_flags);
  add_text_options(*encode_app, *text_flags, "text");
  encode_app->add_flag("--special", text_flags->special, "add what the tokenizer puts around a text");
  encode_app->add_flag("--plain", text_flags->plain, "special tokens in the text are text like any other");
  add_text_options(*decode_app, *text_flags, "ids");
  decode_app->add_flag("--special", text_flags->special, "also write special tokens");
  inspect_app->add_option("TOKENIZER", text_flags->tokenizer, kTokenizerHelp)->required();
  inspect_app->add_flag("--json", text_flags->json, "one JSON object instead of text");
  return [=] {
    if (train_app->parsed()) return train(*train_flags);
    if (encode_app->parsed()) return encode(*text_flags);
    return decode_app->parsed() ? decode(*text_flags) : inspect(*text_flags);
  };
}

}  // namespace

Command tokenizer_command() { return {"tokenizer", "Train, apply and look at tokenizers", setup}; }

}  // namespace retentive::apps
