#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <models/test_files.h>
#include <support/catch.h>
#include <support/paths.h>
#include <support/process.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using nlohmann::json;

ProcessResult run(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), program_path());
  return run_process(arguments);
}

constexpr const char* kConfig = R"({"family": "rmt", "embed_dims": [8, 8, 16, 16], "depths": [1, 1, 1, 1],
  "num_heads": [2, 1, 2, 2], "mlp_ratios": [2, 2, 2, 2], "decomposed": [true, true, true, false],
  "layer_scale": [false, false, true, true], "projection_dim": 12, "num_classes": 4, "drop_path_rate": 0})";

TEST_CASE("usage errors name the nearest match and exit 2") {
  const auto fails = [](const std::vector<std::string>& arguments) {
    const auto result = run(arguments);
    CHECK(result.exit_code == 2);
    CHECK(result.out.empty());
    CHECK_THAT(result.err, Contains("--help"));
    return result.err;
  };
  CHECK_THAT(fails({"comvert", "a", "b"}), Contains("\"comvert\"") && Contains("\"convert\""));
  CHECK_THAT(fails({"convert", "a", "b", "--forse"}), Contains("--forse") && Contains("mean --force"));
  CHECK_THAT(fails({"convert", "--dtipe=f32"}), Contains("--dtipe") && Contains("mean --dtype"));
  CHECK_THAT(fails({"convert", "a", "b", "--dtype", "f64"}), Contains("\"f64\"") && Contains("\"f32\" | \"bf16\""));
  CHECK_THAT(fails({"convert", "a", "b", "--model", "x", "--config", "y"}), Contains("--config"));
  CHECK_THAT(fails({"inspect"}), Contains("FILE"));
  CHECK_THAT(fails({"inspect", "a", "b"}), Contains("unexpected argument \"b\""));
  fails({});
}

TEST_CASE("help and version") {
  CHECK_THAT(run({"--version"}).out, StartsWith("retentive ") && Contains("."));
  const auto help = run({"--help"});
  CHECK(help.exit_code == 0);
  for (const auto* name : {"convert", "inspect", "models"}) CHECK_THAT(help.out, Contains(name));
  CHECK_THAT(run({"convert", "--help"}).out, Contains("--prefer") && Contains("--no-strict"));
}

TEST_CASE("convert writes once, then refuses") {
  const TemporaryFolder folder;
  const std::string config = folder.write("m.json", kConfig), out = folder / "out.safetensors";
  const std::vector<std::string> command = {
      "convert", rmt_fixture("ckpt_training.pth"), out, "--config", config, "--license", "MIT"};
  auto result = run(command);
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.out, Contains("of model, rmt, 4 classes"));
  CHECK(result.err.empty());
  result = run(command);
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, StartsWith("error: [convert]") && Contains("exists") && Contains("--force"));
  auto forced = command;
  forced.insert(forced.end(), {"--force", "--dtype", "bf16", "--prefer", "ema"});
  const auto before = std::filesystem::file_size(out);
  CHECK_THAT(run(forced).out, Contains("of model_ema"));
  CHECK(std::filesystem::file_size(out) < before);

  const auto facts = json::parse(run({"inspect", "--json", out}).out);
  CHECK(facts.at("card").at("config").at("embed_dims") == json({8, 8, 16, 16}));
  CHECK(facts.at("card").at("license") == "MIT");
  CHECK(facts.at("card").at("source") == "ckpt_training.pth (model_ema)");
  CHECK(facts.at("totals").contains("BF16"));
  CHECK(facts.at("checks").at("finite") == true);
}

TEST_CASE("convert without identification warns and succeeds") {
  const TemporaryFolder folder;
  const auto result = run({"convert", rmt_fixture("ckpt_minimal.pth"), folder / "out.safetensors"});
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.err, StartsWith("warning:") && Contains("--model") && Contains("--config"));
  CHECK_THAT(result.out, Contains("no configuration"));
  const auto facts = json::parse(run({"inspect", "--json", folder / "out.safetensors"}).out);
  CHECK_FALSE(facts.at("card").contains("config"));
  CHECK(facts.at("tensors").size() == 158);
}

TEST_CASE("convert refuses what does not fit, unless told otherwise") {
  const TemporaryFolder folder;
  const std::string in = rmt_fixture("ckpt_minimal.pth"), out = folder / "out.safetensors";
  auto result = run({"convert", in, out, "--model", "test_rmt"});
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, Contains("[" + in + "]") && Contains("reshaped") && Contains("missing: in the model"));
  CHECK_FALSE(std::filesystem::exists(out));
  result = run({"convert", in, out, "--model", "test_rmt", "--no-strict"});
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.err, Contains("incomplete") && Contains("missing: in the model"));
  CHECK(std::filesystem::exists(out));
  result = run({"convert", in, out, "--model", "rmt_tt", "--force"});
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, Contains("\"rmt_tt\"") && Contains("\"rmt_t\""));
}

TEST_CASE("inspect shows both formats") {
  const auto result = run({"inspect", rmt_fixture("ckpt_training.pth")});
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.out, Contains("pth, 437,755 bytes") && Contains("model: 158 tensors") &&
                             Contains("model_ema: 158 tensors") && Contains("no registered model") &&
                             Contains("patch_embed.proj.0.weight"));
  const auto facts = json::parse(run({"inspect", "--json", rmt_fixture("tiny_a.weights.safetensors")}).out);
  CHECK(facts.at("format") == "safetensors");
  CHECK(facts.at("tensors").size() == 198);
  int64_t bytes = 0, elements = 0;
  for (const auto& tensor : facts.at("tensors")) bytes += tensor.at("bytes").get<int64_t>();
  for (const auto& total : facts.at("totals")) elements += total.at("elements").get<int64_t>();
  CHECK(bytes == facts.at("totals").at("F32").at("bytes").get<int64_t>() +
                     facts.at("totals").at("I64").at("bytes").get<int64_t>());
  CHECK(elements > 119778);
}

TEST_CASE("broken files are typed errors, never crashes") {
  const TemporaryFolder folder;
  const std::string pth = read_text(rmt_fixture("ckpt_minimal.pth"));
  const std::string safetensors = read_text(rmt_fixture("ckpt_minimal.safetensors"));
  const std::vector<std::string> files = {folder.write("empty", ""),
                                          folder.write("text.pth", "not weights at all"),
                                          folder.write("cut.pth", pth.substr(0, pth.size() / 2)),
                                          folder.write("cut.safetensors", safetensors.substr(0, 5000)),
                                          folder.path().string(),
                                          folder / "missing.safetensors"};
  for (const auto& file : files) {
    CAPTURE(file);
    for (const auto& command : {std::vector<std::string>{"inspect", file},
                                std::vector<std::string>{"convert", file, folder / "out.safetensors"}}) {
      const auto result = run(command);
      CHECK(result.exit_code == 1);
      CHECK_THAT(result.err, StartsWith("error: [") && Contains(file));
      CHECK(result.out.empty());
    }
  }
  CHECK_FALSE(std::filesystem::exists(folder / "out.safetensors"));
}

TEST_CASE("models lists and explains") {
  const auto list = run({"models"});
  CHECK(list.exit_code == 0);
  CHECK_THAT(list.out, Contains("14,334,216") && Contains("82.4") && Contains("rmt_nano") && Contains("1x28x28"));
  const auto facts = json::parse(run({"models", "--json", "--explain", "rmt_s"}).out);
  CHECK(facts.at("parameters") == 26967240);
  CHECK(facts.at("published_top1") == 84.1);
  CHECK(facts.at("config").at("depths") == json({3, 4, 18, 4}));
  REQUIRE(facts.at("stages").size() == 4);
  CHECK(facts.at("stages")[0].at("tokens") == 56 * 56);
  CHECK(facts.at("stages")[3].at("tokens") == 49);
  CHECK(facts.at("stages")[2].at("masa") == "decomposed");
  CHECK_THAT(run({"models", "--explain", "rmt_s"}).out, Contains("stage3  256") && Contains("convert FILE.pth"));
  const auto unknown = run({"models", "--explain", "rmt_z"});
  CHECK(unknown.exit_code == 1);
  CHECK_THAT(unknown.err, Contains("\"rmt_z\"") && Contains("\"rmt_t\""));
}

}  // namespace
}  // namespace retentive::testing
