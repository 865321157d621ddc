#include <fstream>

#include <torch/torch.h>

#include <models/checkpoint.h>
#include <models/registry.h>
#include <models/test_files.h>
#include <support/catch.h>
#include <support/paths.h>
#include <support/process.h>
#include <nlohmann/json.hpp>

namespace retentive::testing {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Json = nlohmann::json;

/// A tiny model of bytes with random weights, in a file.
fs::path save_byte_model(const fs::path& path) {
  auto config = std::get<models::RetnetConfig>(models::find_model("test_retnet").config);
  config.vocab_size = 256;
  const auto model = models::build(config, 3);
  const torch::NoGradGuard no_grad;
  // Only letters, spaces and line ends are probable.
  for (auto& item : model->named_parameters()) {
    if (item.value().dim() > 1) item.value().mul_(2);
  }
  models::save_checkpoint(path, *model, {.config = models::ModelConfig(config), .tokenizer = "bytes", .name = "tiny"});
  return path;
}

ProcessResult generate(const fs::path& weights, std::vector<std::string> arguments) {
  std::vector<std::string> all = {program_path(), "generate", "--weights", weights.string()};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return run_process(all);
}

std::vector<Json> lines_of(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
  return lines;
}

TEST_CASE("the same seed gives the same text, another one another", "[cli]") {
  const TemporaryFolder folder;
  const auto weights = save_byte_model(folder / "m.safetensors");
  const auto first = generate(weights, {"--prompt", "To be", "-n", "40", "--seed", "1"});
  CHECK(first.exit_code == 0);
  CHECK_THAT(first.err, Contains("tokens/s") && Contains("ended by length"));
  CHECK(generate(weights, {"--prompt", "To be", "-n", "40", "--seed", "1"}).out == first.out);
  CHECK(generate(weights, {"--prompt", "To be", "-n", "40", "--seed", "2"}).out != first.out);
}

TEST_CASE("JSON events put together are the text", "[cli]") {
  const TemporaryFolder folder;
  const auto weights = save_byte_model(folder / "m.safetensors");
  const auto run = generate(weights, {"--prompt", "To be", "-n", "30", "--json", "--top-k", "40"});
  REQUIRE(run.exit_code == 0);
  const auto lines = lines_of(run.out);
  std::string text;
  for (size_t i = 0; i + 1 < lines.size(); ++i) text += lines[i]["text"].get<std::string>();
  CHECK(lines.back()["done"] == true);
  CHECK(lines.back()["text"] == text);
  CHECK(lines.back()["new_tokens"] == 30);
  CHECK(lines.back()["prompt_tokens"] == 5);
}

TEST_CASE("a saved state goes on where the text ended", "[cli]") {
  const TemporaryFolder folder;
  const auto weights = save_byte_model(folder / "m.safetensors");
  const auto state = (folder / "s.state");
  const auto text = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--temperature", "0", "--json"});
    const auto run = generate(weights, arguments);
    INFO(run.err);
    REQUIRE(run.exit_code == 0);
    return lines_of(run.out).back();
  };
  const auto whole = text({"--prompt", "To be", "-n", "24"})["text"].get<std::string>();
  const auto head = text({"--prompt", "To be", "-n", "10", "--save-state", state})["text"].get<std::string>();
  const auto tail = text({"-n", "14", "--load-state", state})["text"].get<std::string>();
  // Bytes that form no character become U+FFFD, alone or beside others: compare what is plain.
  if (whole.find("\xEF\xBF\xBD") == std::string::npos) CHECK(head + tail == whole);
  CHECK_FALSE(tail.empty());
  const auto other = save_byte_model(folder / "n.safetensors");
  auto loaded = models::load_model(other);
  const torch::NoGradGuard no_grad;
  loaded.model->named_parameters()["embed_tokens.weight"].add_(1);
  models::save_checkpoint(other, *loaded.model, loaded.card);
  const auto refused = generate(other, {"-n", "4", "--load-state", state});
  CHECK(refused.exit_code == 1);
  CHECK_THAT(refused.err, Contains("another model"));
}

TEST_CASE("stop texts, files and beams", "[cli]") {
  const TemporaryFolder folder;
  const auto weights = save_byte_model(folder / "m.safetensors");
  const auto plain = lines_of(generate(weights, {"--prompt", "a", "-n", "60", "--json", "--seed", "5"}).out).back();
  const auto text = plain["text"].get<std::string>();
  size_t at = 5;
  while (at < text.size() && static_cast<unsigned char>(text[at]) >= 0x80) ++at;
  REQUIRE(at < text.size());
  const std::string stop(1, text[at]);
  const auto run = generate(weights, {"--prompt", "a", "-n", "60", "--json", "--seed", "5", "--stop", stop});
  const auto stopped = lines_of(run.out).back();
  CHECK(stopped["finish_reason"] == "stop");
  CHECK(stopped["text"] == text.substr(0, text.find(stop)));
  std::ofstream(folder / "prompt.txt") << "a";
  const auto from_file =
      generate(weights, {"--prompt-file", (folder / "prompt.txt"), "-n", "60", "--json", "--seed", "5"});
  CHECK(lines_of(from_file.out).back()["text"] == text);
  const auto beams = generate(weights, {"--prompt", "a", "-n", "8", "--num-beams", "3", "--json"});
  CHECK(beams.exit_code == 0);
  CHECK(lines_of(beams.out).back()["new_tokens"] == 8);
}

TEST_CASE("what cannot be done is said", "[cli]") {
  const TemporaryFolder folder;
  const auto weights = save_byte_model(folder / "m.safetensors");
  CHECK(generate(weights, {"--prompt", "a", "--temprature", "1"}).exit_code == 2);
  CHECK_THAT(generate(weights, {"--prompt", "a", "--temprature", "1"}).err, Contains("--temperature"));
  CHECK_THAT(generate(weights, {"--prompt", "a", "--top-p", "2"}).err, Contains("top_p is 2"));
  CHECK(generate(folder / "none.safetensors", {"--prompt", "a"}).exit_code == 1);
  auto card = models::ModelCard{.config = models::find_model("test_retnet").config};
  models::save_checkpoint(folder / "bare.safetensors", *models::build(*card.config, 1), card);
  CHECK_THAT(generate(folder / "bare.safetensors", {"--prompt", "a"}).err, Contains("--tokenizer"));
  CHECK_THAT(generate(folder / "bare.safetensors", {"--prompt", "a", "--tokenizer", "bytes"}).err, Contains("256"));
  card.config = models::find_model("test_rmt").config;
  models::save_checkpoint(folder / "v.safetensors", *models::build(*card.config, 1), card);
  CHECK_THAT(generate(folder / "v.safetensors", {"--prompt", "a"}).err, Contains("not a language model"));
}

TEST_CASE("perplexity of a text file", "[cli]") {
  const TemporaryFolder folder;
  const auto weights = save_byte_model(folder / "m.safetensors");
  std::ofstream(folder / "t.txt") << std::string(500, 'x');
  const auto run = [&](std::vector<std::string> more) {
    std::vector<std::string> all = {program_path(),   "perplexity",       "--weights",
                                    weights.string(), (folder / "t.txt"), "--json"};
    all.insert(all.end(), more.begin(), more.end());
    return Json::parse(run_process(all).out);
  };
  const auto stream = run({}), windows = run({"--window", "100"}), half = run({"--precision", "bf16"});
  CHECK(stream["tokens"] == 499);
  CHECK(stream["bits_per_byte"].get<double>() ==
        Approx(stream["nll_per_token"].get<double>() / std::log(2.0)));  // 499 bytes are predicted
  CHECK(stream["bytes"] == 499);
  CHECK(half["perplexity"].get<double>() == Approx(stream["perplexity"].get<double>()).epsilon(0.05));
  CHECK(windows["buckets"].size() == 2);
}

}  // namespace
}  // namespace retentive::testing
