#include <chrono>
#include <fstream>

#include <nlohmann/json.hpp>

#include <cli/program.h>
#include <models/test_files.h>
#include <support/catch.h>
#include <support/fixture_file.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using Json = nlohmann::json;

std::string case_path(const std::string& name) { return fixture_path("cases/language/" + name); }

Json last_line(const ProcessResult& run) {
  INFO(run.err);
  REQUIRE(run.exit_code == 0);
  return Json::parse(lines_of(run.out).back());
}

/// What `generate` makes of a case, greedily.
Json generated(const std::string& weights, const std::vector<std::string>& more = {}, const char* prompt = "a") {
  std::vector<std::string> all = {"generate", "--weights", weights,         "--prompt", prompt,
                                  "-n",       "12",        "--temperature", "0",        "--json"};
  all.insert(all.end(), more.begin(), more.end());
  return last_line(retentive_program(all));
}

TEST_CASE("a weight that is no number is refused by every command, in every precision", "[cli]") {
  const TemporaryFolder folder;
  const auto weights = case_path("nan_weight");
  const auto text = folder.write("t.txt", "abcabc");
  const auto converted = folder / "m.safetensors";
  CHECK_THAT(retentive_program({"convert", weights, converted}).err, Contains("NaN"));
  const std::vector<std::vector<std::string>> commands = {
      {"generate", "--prompt", "a", "--temperature", "0"},
      {"generate", "--prompt", "a", "--seed", "1"},
      {"generate", "--prompt", "a", "--num-beams", "3"},
      {"generate", "--prompt", "a", "-n", "0"},
      {"perplexity", text},
      {"perplexity", text, "--window", "2"},
  };
  for (const std::string precision : {"fp32", "bf16", "int8", "int4"}) {
    for (auto command : commands) {
      const auto& file = precision == "int8" ? converted : weights;
      command.insert(command.end(), {"--weights", file, "--precision", precision});
      const auto run = retentive_program(command);
      CAPTURE(command);
      CHECK(run.exit_code == 1);
      CHECK(run.out.empty());
      CHECK_THAT(run.err, StartsWith("error: [prepare_inference] output_projection.weight holds nan at [") &&
                              Contains("retentive inspect"));
    }
  }
}

TEST_CASE("text ends where the model's own files say", "[cli]") {
  const TemporaryFolder folder;
  for (const std::string name : {"eos_list", "eos_config_only"}) {
    const auto weights = case_path(name), converted = folder / name + ".safetensors";
    REQUIRE(retentive_program({"convert", weights, converted}).exit_code == 0);
    for (const auto& file : {weights, converted}) {
      CAPTURE(file);
      const auto done = generated(file);
      CHECK(done["text"] == "bc");
      CHECK(done["finish_reason"] == "eos");
      CHECK(done["new_tokens"] == 3);
      const auto beams = last_line(retentive_program(
          {"generate", "--weights", file, "--prompt", "a", "--num-beams", "2", "-n", "12", "--json"}));
      CHECK(beams["text"] == "bc");
      CHECK(beams["finish_reason"] == "eos");
      CHECK(generated(file, {"--ignore-eos"})["new_tokens"] == 12);
    }
  }
}

TEST_CASE("further ends are named by id or as stop texts", "[cli]") {
  const auto weights = case_path("eos_config_only");
  // "a" is followed by b, c and <end2> (id 3); c is the id 6.
  const auto at_c = generated(weights, {"--eos-id", "6"});
  CHECK(at_c["text"] == "b");
  CHECK(at_c["finish_reason"] == "eos");
  CHECK(generated(weights, {"--eos-id", "30", "--eos-id", "6", "--ignore-eos"})["text"] == "b");
  for (const std::string stop : {"<end2>", "c<end2>"}) {
    const auto stopped = generated(weights, {"--ignore-eos", "--stop", stop});
    CHECK(stopped["text"] == (stop == "<end2>" ? "bc" : "b"));
    CHECK(stopped["finish_reason"] == "stop");
    CHECK(stopped["new_tokens"] == 3);
  }
  const auto beams = last_line(retentive_program({"generate", "--weights", weights, "--prompt", "a", "--num-beams", "2",
                                                  "-n", "12", "--json", "--ignore-eos", "--stop", "<end2>"}));
  CHECK(beams["text"] == "bc");
  CHECK(beams["finish_reason"] == "stop");
  for (const std::string id : {"40", "-1"}) {
    const auto refused = retentive_program({"generate", "--weights", weights, "--prompt", "a", "--eos-id", id});
    CHECK(refused.exit_code == 1);
    CHECK_THAT(refused.err, Contains("token " + id) && Contains("0 to 39"));
  }
}

TEST_CASE("-n 0 reads a prompt into a state", "[cli]") {
  const TemporaryFolder folder;
  const auto weights = case_path("eos_config_only"), state = folder / "s.state";
  for (const std::string prompt : {"a", "xyza"}) {
    const auto read = retentive_program(
        {"generate", "--weights", weights, "--prompt", prompt, "-n", "0", "--save-state", state, "--json"});
    CHECK(last_line(read)["new_tokens"] == 0);
    CHECK(last_line(read)["text"] == "");
    const auto rest = last_line(retentive_program(
        {"generate", "--weights", weights, "--load-state", state, "-n", "12", "--temperature", "0", "--json"}));
    CHECK(rest["text"] == generated(weights, {}, prompt.c_str())["text"]);
  }
}

TEST_CASE("what cannot be read is named with the way out", "[cli]") {
  const TemporaryFolder folder;
  const auto weights = case_path("eos_config_only");
  const auto error = [&](std::vector<std::string> arguments, int code = 1) {
    if (arguments[0] == "generate") arguments.insert(arguments.end(), {"--weights", weights});
    const auto run = retentive_program(arguments);
    CHECK(run.exit_code == code);
    CHECK(run.out.empty());
    return run.err;
  };
  const auto directory = folder.path().string();
  CHECK_THAT(error({"generate", "--prompt-file", directory}), Contains("is a directory") && Contains("text file"));
  CHECK_THAT(error({"generate", "--prompt-file", folder / "no.txt"}), Contains("No such file") && Contains("no.txt"));
  CHECK_THAT(error({"perplexity", directory}), Contains("is a directory"));
  CHECK_THAT(error({"tokenizer", "train", folder / "no.txt", "--output", folder / "t.json"}),
             Contains("no.txt: does not exist; give a text file"));
  CHECK_THAT(error({"generate", "--prompt", "a", "--load-state", folder / "no.state"}),
             Contains("no.state") && Contains("--save-state"));
  for (const std::string seed : {"18446744073709551616", "99999999999999999999", "-1", "1.5", "x"}) {
    CHECK_THAT(error({"generate", "--prompt", "a", "--seed", seed}, 2), Contains(seed) && Contains("2^64 - 1"));
    CHECK_THAT(
        error({"forward", "--model", "test_rmt", "--random-weights", seed, "--inputs", "i", "--outputs", "o"}, 2),
        Contains(seed) && Contains("2^64 - 1"));
  }
  CHECK(generated(weights, {"--seed", "18446744073709551615"})["text"] == "bc");
  CHECK_THAT(error({"generate", "--prompt", "a", "--tokenizer", "bytes"}), Contains("leave --tokenizer out"));
  // A tokenizer that fits takes the place of the file's own, aloud.
  auto other = Json::parse(read_text(weights + "/tokenizer.json"));
  other["model"]["vocab"].erase("3");
  const auto replaced = retentive_program({"generate", "--weights", weights, "--prompt", "a", "-n", "1", "--tokenizer",
                                           folder.write("other.json", other.dump())});
  CHECK(replaced.exit_code == 0);
  CHECK_THAT(replaced.err, Contains("note: the tokenizer") && Contains("leave --tokenizer out"));
  CHECK_THAT(retentive_program({"generate", "--weights", weights, "--prompt", "a", "-n", "1"}).err, !Contains("note:"));
}

TEST_CASE("a trained tokenizer says what ends a text", "[cli]") {
  const TemporaryFolder folder;
  const auto text = folder.write("t.txt", "ab ab ab"), output = folder / "t.json";
  const auto train = [&](std::vector<std::string> more) {
    std::vector<std::string> all = {"tokenizer", "train", text, "--vocab-size", "270", "--force", "--output", output};
    all.insert(all.end(), more.begin(), more.end());
    return retentive_program(all);
  };
  CHECK_THAT(train({"--special", "<pad>", "--special", "<end>"}).err, Contains("note:") && Contains("--eos"));
  CHECK_THAT(train({"--special", "<pad>", "--special", "<end>", "--eos", "<end>"}).err, !Contains("note:"));
  CHECK_THAT(retentive_program({"tokenizer", "inspect", output}).out, Contains("1 <end>"));
  const auto refused = train({"--special", "<pad>", "--eos", "<end>"});
  CHECK(refused.exit_code == 1);
  CHECK_THAT(refused.err, Contains("'<end>'") && Contains("'<pad>'"));
}

TEST_CASE("bits a byte leave out the first token", "[cli]") {
  const auto run = [](const std::string& text) {
    return last_line(retentive_program({"perplexity", "-", "--json"}, text));
  };
  const auto king = run("The king");
  CHECK(king["bytes"] == 5);  // " king": nothing predicts "The"
  CHECK(king["bits_per_byte"].get<double>() == Approx(1.48).margin(0.01));
  CHECK(king["bits_per_byte"].get<double>() ==
        Approx(king["nll_per_token"].get<double>() * king["tokens"].get<double>() / 5 / std::log(2.0)));
}

TEST_CASE("Ctrl-C ends a long prompt and a long measurement at once", "[cli]") {
  using namespace std::chrono;
  const TemporaryFolder folder;
  std::string text;
  while (text.size() < 8'000'000) text += "Enter the king, and all his men with him. ";
  const auto file = folder.write("long.txt", text);
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"generate", "--prompt-file", file, "--save-state", folder / "s.state"},
        {"perplexity", file}}) {
    auto command = arguments;
    command.insert(command.begin(), program_path());
    const auto begin = steady_clock::now();
    const auto run = run_process(command, "", seconds(2));
    CHECK(run.exit_code == 128 + SIGINT);
    CHECK(steady_clock::now() - begin < seconds(2) + seconds(1));
    CHECK_FALSE(std::filesystem::exists(folder / "s.state"));
  }
}

}  // namespace
}  // namespace retentive::testing
