#include <torch/torch.h>

#include <models/checkpoint.h>
#include <models/convert.h>
#include <models/language_keys.h>
#include <models/registry.h>
#include <models/retnet.h>
#include <models/tensor_io.h>
#include <models/test_files.h>
#include <retention/base/error.h>
#include <support/tensors.h>

namespace retentive::testing {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;

fs::path retnet_fixture(const std::string& name) { return fixture_path("retnet/" + name); }

/// A folder as Hugging Face style libraries write it.
void make_folder(const fs::path& folder, const std::string& model) {
  fs::create_directories(folder);
  fs::copy_file(retnet_fixture(model + ".config.json"), folder / "config.json");
  fs::copy_file(retnet_fixture(model + ".weights.safetensors"), folder / "model.safetensors");
}

void write_text(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

/// The same weights in two files and an index.
void shard(const fs::path& folder) {
  const auto whole = models::read_tensors(folder / "model.safetensors").tensors;
  models::NamedTensors first, second;
  nlohmann::json map;
  for (size_t i = 0; i < whole.size(); ++i) {
    const bool low = i % 2 == 0;
    (low ? first : second).push_back({whole[i].name, whole[i].tensor.clone()});
    map[whole[i].name] = low ? "a.safetensors" : "b.safetensors";
  }
  models::write_tensors(folder / "a.safetensors", first);
  models::write_tensors(folder / "b.safetensors", second);
  fs::remove(folder / "model.safetensors");
  write_text(folder / "model.safetensors.index.json", nlohmann::json{{"weight_map", map}}.dump());
}

double error_of(const fs::path& weights, const std::string& fixture, const std::string& logits,
                const models::SequenceCall& call) {
  const auto loaded = models::load_model(weights);
  const auto model = models::as_language_model(loaded.model, "test");
  const torch::NoGradGuard no_grad;
  const Fixture expected("retnet/" + fixture);
  return deviation(model->forward(expected.get("tokens"), nullptr, call), expected.get(logits));
}

double hf_error(const fs::path& weights) {
  return error_of(weights, "hf_tiny", "f32.logits_parallel",
                  {.form = Form::parallel, .normalization = Normalization::torchscale});
}

TEST_CASE("folders convert into one file that runs by itself", "[convert]") {
  const TemporaryFolder folder;
  make_folder(folder / "hf", "hf_tiny");
  make_folder(folder / "fla", "fla_tiny");
  CHECK(hf_error(folder / "hf") < 1e-4);
  const auto report = models::convert(folder / "hf", folder / "hf.safetensors");
  CHECK(report.match.complete());
  CHECK(report.card.source == "hf");
  CHECK(hf_error(folder / "hf.safetensors") < 1e-4);
  models::convert(folder / "fla", folder / "fla.safetensors");
  CHECK(error_of(folder / "fla.safetensors", "fla_tiny", "f32.logits", {.form = Form::chunkwise, .chunk = 8}) < 2e-4);
}

TEST_CASE("shards and pickled weights load as whole files do", "[convert]") {
  const TemporaryFolder folder;
  make_folder(folder / "shards", "hf_tiny");
  shard(folder / "shards");
  CHECK(hf_error(folder / "shards") < 1e-4);
  make_folder(folder / "pickle", "hf_tiny");
  fs::remove(folder / "pickle/model.safetensors");
  fs::copy_file(retnet_fixture("hf_tiny.pytorch_model.bin"), folder / "pickle/pytorch_model.bin");
  CHECK(hf_error(folder / "pickle") < 1e-4);
}

TEST_CASE("a checkpoint of the fairseq trainer loads with a configuration", "[convert]") {
  models::RetnetConfig config;
  config.vocab_size = 97, config.dim = 32, config.value_dim = config.ffn_dim = 64;
  config.num_layers = 2, config.num_heads = 4;
  config.deepnorm = true, config.pre_norm = false;
  models::ModelChoice choice;
  choice.config = config;
  const auto loaded = models::load_model(retnet_fixture("lm_deepnorm.fairseq.pt"), choice);
  const auto model = models::as_language_model(loaded.model, "test");
  const torch::NoGradGuard no_grad;
  const Fixture expected("retnet/lm_deepnorm");
  const auto logits = model->forward(expected.get("tokens"), nullptr, {.form = Form::recurrent});
  CHECK(deviation(logits, expected.get("f32.logits_recurrent")) < 1e-4);
}

TEST_CASE("damaged folders are refused by file and fix", "[convert]") {
  const TemporaryFolder folder;
  const auto message = [&](const char* name) {
    return message_of<CheckpointError>([&] { models::read_checkpoint(folder / name); });
  };
  fs::create_directories(folder / "empty");
  CHECK_THAT(message("empty"), Contains("config.json"));
  make_folder(folder / "bare", "hf_tiny");
  fs::remove(folder / "bare/model.safetensors");
  CHECK_THAT(message("bare"), Contains("holds no weights"));
  make_folder(folder / "lost", "hf_tiny");
  shard(folder / "lost");
  fs::remove(folder / "lost/b.safetensors");
  CHECK_THAT(message("lost"), Contains("b.safetensors"));
  make_folder(folder / "out", "hf_tiny");
  fs::remove(folder / "out/model.safetensors");
  write_text(folder / "out/model.safetensors.index.json", R"({"weight_map": {"a": "../secret"}})");
  CHECK_THAT(message("out"), Contains("../secret"));
  write_text(folder / "out/model.safetensors.index.json", R"({"weight_map": []})");
  CHECK_THAT(message("out"), Contains("weight_map"));
}

TEST_CASE("upstream configurations are understood or refused by name", "[convert]") {
  const auto parse = [](const char* json) { return models::parse_upstream_config(json, "config.json"); };
  constexpr const char* kSizes = R"("vocab_size": 10, "hidden_size": 8, "num_hidden_layers": 1, "num_heads": 2)";
  const auto fla = [&](const std::string& more) { return std::string("{") + kSizes + more + "}"; };
  CHECK(parse(fla("").c_str()).ffn_dim == 256);
  CHECK(parse(fla(R"(, "intermediate_size": 24)").c_str()).ffn_dim == 24);
  for (const char* refused : {R"(, "use_short_conv": true)", R"(, "feature_map": "relu")", R"(, "num_kv_heads": 1)",
                              R"(, "expand_k": 0.5)", R"(, "use_output_gate": false)", R"(, "hidden_act": "tanh")"}) {
    CHECK_THROWS_AS(parse(fla(refused).c_str()), Unsupported);
  }
  CHECK_THROWS_AS(parse(R"({"model_type": "llama"})"), Unsupported);
  CHECK_THAT(message_of<ConfigError>([&] { parse("{}"); }), Contains("vocab_size"));
  CHECK_THROWS_AS(parse(R"({"vocab_size": 10, "hidden_size": -8, "num_hidden_layers": 1, "num_heads": 2})"),
                  ConfigError);
  CHECK_THROWS_AS(parse("[]"), ConfigError);
}

TEST_CASE("a torchscale model from before September 2023 is refused", "[convert]") {
  models::NamedTensors tensors = {{"embed_tokens.weight", torch::zeros({4, 4})},
                                  {"layers.0.retention.q_proj.bias", torch::zeros({4})}};
  CHECK_THROWS_AS(models::to_native_keys(tensors, "old.pt"), Unsupported);
  tensors[1].name = "layers.0.retention.q_proj.A.weight";
  CHECK_THAT(message_of<Unsupported>([&] { models::to_native_keys(tensors, "two.pt"); }), Contains("multiway"));
  tensors[1].name = "layers.1.moe_layer.experts.0.fc1.weight";
  CHECK_THAT(message_of<Unsupported>([&] { models::to_native_keys(tensors, "moe.pt"); }), Contains("MoE"));
}

}  // namespace
}  // namespace retentive::testing
