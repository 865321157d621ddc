#include <torch/torch.h>

#include <models/checkpoint.h>
#include <models/convert.h>
#include <models/test_files.h>
#include <retention/base/error.h>
#include <support/fixture_file.h>
#include <support/tensors.h>

namespace retentive::testing {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Ids = std::vector<int64_t>;

/// The folder of a case whose config.json says eos_token_id 3, with this instead.
fs::path make_folder(const TemporaryFolder& folder, const std::string& eos) {
  const fs::path path = folder / "model";
  fs::remove_all(path);
  fs::copy(fixture_path("cases/language/eos_config_only"), path);
  auto config = nlohmann::json::parse(read_text(path / "config.json"));
  config.erase("eos_token_id");
  if (!eos.empty()) config["eos_token_id"] = nlohmann::json::parse(eos);
  std::ofstream(path / "config.json") << config.dump();
  return path;
}

TEST_CASE("the model's files say which tokens end a text", "[convert]") {
  const TemporaryFolder folder;
  struct Case {
    std::string config, generation, tokenizer_config, special_map;
    Ids ids;
  };
  const std::vector<Case> cases = {
      {"3", "", "", "", {3}},
      {"[3, 2]", "", "", "", {3, 2}},
      {"2", R"({"eos_token_id": [2, 3]})", "", "", {2, 3}},
      {"2", R"({"eos_token_id": 3})", R"({"eos_token": "z"})", "", {3}},
      {"2", R"({"eos_token_id": null})", "", "", {2}},
      {"2", R"({"eos_token_id": []})", "", "", {2}},
      {"2", R"({"temperature": 1})", "", "", {2}},
      {"null", "", R"({"eos_token": "<end2>"})", R"({"eos_token": "</s>"})", {3}},
      {"", "", R"({"eos_token": {"__type": "AddedToken", "content": "<end2>", "lstrip": false}})", "", {3}},
      {"", "", R"({"eos_token": null})", R"({"eos_token": {"content": "<end2>"}})", {3}},
      {"", "", "", R"({"eos_token": ["</s>", "<end2>"]})", {2, 3}},
      {"99", "", R"({"eos_token": "<end2>"})", "", {3}},    // a warning, and the next file
      {"-1", R"({"eos_token_id": [40, 3]})", "", "", {3}},  // a warning
      {"", "", R"({"eos_token": "<nowhere>"})", "", {}},    // a warning, and the tokenizer decides
      {"", "", "", "", {}},
  };
  for (const auto& [config, generation, tokenizer_config, special_map, ids] : cases) {
    const auto path = make_folder(folder, config);
    const auto write = [&](const char* name, const std::string& text) {
      if (!text.empty()) std::ofstream(path / name) << text;
    };
    write("generation_config.json", generation);
    write("tokenizer_config.json", tokenizer_config);
    write("special_tokens_map.json", special_map);
    CAPTURE(config, generation, tokenizer_config, special_map);
    const auto checkpoint = models::read_checkpoint(path);
    CHECK(checkpoint.card.eos_ids == ids);
    const bool foreign = config == "99" || generation.find("40") != std::string::npos ||
                         tokenizer_config.find("nowhere") != std::string::npos;
    REQUIRE(checkpoint.warnings.size() == (foreign ? 1 : 0));
    if (foreign) CHECK_THAT(checkpoint.warnings[0], Contains("is left out") && Contains("config.json"));
    models::convert(path, folder / "m.safetensors", {.overwrite = true});
    CHECK(models::read_checkpoint(folder / "m.safetensors").card.eos_ids == ids);
    models::convert(folder / "m.safetensors", folder / "n.safetensors", {.overwrite = true});
    CHECK(models::read_checkpoint(folder / "n.safetensors").card.eos_ids == ids);
  }
}

TEST_CASE("an end of text of another kind is refused by file and value", "[convert]") {
  const TemporaryFolder folder;
  for (const std::string bad : {R"("2")", "2.5", "true", "[[2]]", R"({"id": 2})", "18446744073709551615"}) {
    const auto path = make_folder(folder, bad);
    CHECK_THAT(message_of<ConfigError>([&] { models::read_checkpoint(path); }),
               Contains("config.json") && Contains("eos_token_id"));
  }
  const auto path = make_folder(folder, "");
  for (const std::string bad : {"[", "[]", R"({"eos_token": 2})", R"({"eos_token": {}})"}) {
    std::ofstream(path / "tokenizer_config.json") << bad;
    CHECK_THAT(message_of<ConfigError>([&] { models::read_checkpoint(path); }), Contains("tokenizer_config.json"));
  }
}

}  // namespace
}  // namespace retentive::testing
