#include <fstream>
#include <string>

#include <models/checkpoint.h>
#include <models/registry.h>
#include <models/tensor_io.h>
#include <models/test_files.h>
#include <models/upstream_keys.h>
#include <models/version.h>
#include <retention/base/error.h>
#include <support/catch.h>
#include <support/tensors.h>
#include <vision/rmt_fixture_config.h>

namespace retentive::models {
namespace {

using Catch::Matchers::Contains;
using testing::message_of;
using testing::rmt_fixture;
using testing::TemporaryFolder;

ModelConfig fixture_config() {
  const auto json = testing::read_fixture_json("rmt/ckpt_io.json");
  return testing::official_rmt_config(json.at("config"), vision::RmtHead::classifier);
}

void check_bits(const NamedTensors& actual, const NamedTensors& expected) {
  REQUIRE(actual.size() == expected.size());
  for (const auto& [name, tensor] : expected) {
    CAPTURE(name);
    const auto* found = find_tensor(actual, name);
    REQUIRE(found != nullptr);
    CHECK(found->scalar_type() == tensor.scalar_type());
    CHECK(found->equal(tensor));
  }
}

TEST_CASE("training checkpoints give the official logits") {
  const testing::Fixture io("rmt/ckpt_io");
  testing::WorstDeviation worst("checkpoint logits");
  const auto check = [&](const std::string& file, Prefer prefer, const std::string& taken, const std::string& logits) {
    CAPTURE(file, logits);
    const auto checkpoint = read_checkpoint(rmt_fixture(file), prefer);
    CHECK(checkpoint.taken == taken);
    const auto loaded = load_model(checkpoint, {.config = fixture_config()});
    CHECK_FALSE(loaded.model->is_training());
    CHECK(loaded.report.complete());
    const torch::NoGradGuard no_grad;
    const auto actual = as_backbone(loaded.model, "twin")->forward(io.get("input"));
    CHECK(worst.add(logits, testing::deviation(actual, io.get(logits))) < 1e-4);
  };
  check("ckpt_minimal.pth", Prefer::automatic, "model", "logits_minimal");
  check("ckpt_minimal.safetensors", Prefer::automatic, "", "logits_minimal");
  check("ckpt_training.pth", Prefer::raw, "model", "logits_training_model");
  check("ckpt_training.pth", Prefer::automatic, "model", "logits_training_model");
  check("ckpt_training.pth", Prefer::ema, "model_ema", "logits_training_model_ema");
}

TEST_CASE("pth tensors equal their safetensors twins bit for bit") {
  const auto twin = [](const std::string& pth, Prefer prefer, const std::string& safetensors) {
    check_bits(read_checkpoint(rmt_fixture(pth), prefer).tensors, read_checkpoint(rmt_fixture(safetensors)).tensors);
  };
  twin("ckpt_minimal.pth", Prefer::raw, "ckpt_minimal.safetensors");
  twin("ckpt_training.pth", Prefer::raw, "ckpt_training.model.safetensors");
  twin("ckpt_training.pth", Prefer::ema, "ckpt_training.model_ema.safetensors");
  CHECK_THAT(message_of<CheckpointError>([] { read_checkpoint(rmt_fixture("ckpt_minimal.pth"), Prefer::ema); }),
             Contains("ckpt_minimal.pth") && Contains("model_ema"));
}

TEST_CASE("one saved file is enough to run") {
  const TemporaryFolder folder;
  const auto& row = find_model("test_rmt");
  const auto model = build(row.config, 3);
  ModelCard card{.config = row.config,
                 .preprocessing = row.preprocessing,
                 .labels = {"é", "b"},
                 .name = "test_rmt",
                 .license = "CC0",
                 .source = "run 1",
                 .source_sha256 = "00ff",
                 .notes = "a\nb \"c\""};
  save_checkpoint(folder / "m.safetensors", *model, card);
  const auto loaded = load_model(folder / "m.safetensors");
  check_bits(state_dict(*loaded.model), state_dict(*model));
  CHECK(*loaded.card.config == row.config);
  CHECK(*loaded.card.preprocessing == row.preprocessing);
  CHECK(loaded.card.labels == card.labels);
  CHECK(loaded.card.name == card.name);
  CHECK(loaded.card.license == card.license);
  CHECK(loaded.card.source == card.source);
  CHECK(loaded.card.source_sha256 == card.source_sha256);
  CHECK(loaded.card.notes == card.notes);
  const auto metadata = read_tensors(folder / "m.safetensors").metadata;
  CHECK(metadata.at("format") == "pt");
  CHECK(metadata.at("retentive.version") == version());

  const std::string bytes = testing::read_text(folder / "m.safetensors");
  const auto embedded = load_model(read_checkpoint(std::as_bytes(std::span(bytes)), "embedded"));
  check_bits(state_dict(*embedded.model), state_dict(*model));
}

TEST_CASE("choices that contradict the file name both values") {
  const TemporaryFolder folder;
  const auto& row = find_model("test_rmt");
  save_checkpoint(folder / "m.safetensors", *build(row.config, 1), {.config = row.config, .name = "test_rmt"});
  CHECK_NOTHROW(load_model(folder / "m.safetensors", {.name = "test_rmt"}));
  CHECK_THAT(message_of<ConfigError>([&] { load_model(folder / "m.safetensors", {.name = "test_rmt_full"}); }),
             Contains("test_rmt_full") && Contains("depths = [1,1,1,1]") && Contains("[1,2,2,1]"));
  auto config = std::get<vision::RmtConfig>(row.config);
  config.drop_path_rate = 0.3;
  CHECK_NOTHROW(load_model(folder / "m.safetensors", {.config = config}));
  config.decay_mode = DecayMode::paper;
  CHECK_THAT(message_of<ConfigError>([&] { load_model(folder / "m.safetensors", {.config = config}); }),
             Contains("decay_mode = \"paper\"") && Contains("\"release\""));
  CHECK_THAT(message_of<ConfigError>([&] { load_model(folder / "m.safetensors", {.name = "a", .config = config}); }),
             Contains("one of them"));
}

TEST_CASE("a file that says nothing about its model asks for it") {
  const auto message = message_of<ConfigError>([] { load_model(rmt_fixture("ckpt_minimal.pth")); });
  CHECK_THAT(message,
             Contains("ckpt_minimal.pth") && Contains("--model") && Contains("--config") && Contains("convert"));
  // A tiny row is never guessed, only taken by name.
  const TemporaryFolder folder;
  write_tensors(folder / "bare.safetensors", state_dict(*build(find_model("test_rmt").config, 1)));
  CHECK_THAT(message_of<ConfigError>([&] { load_model(folder / "bare.safetensors"); }), Contains("not rmt_"));
  CHECK(*load_model(folder / "bare.safetensors", {.name = "test_rmt"}).card.config == find_model("test_rmt").config);
}

TEST_CASE("a file that does not fit is refused before anything is copied") {
  const auto model = build(find_model("test_rmt").config, 1);
  const auto before = state_dict(*build(find_model("test_rmt").config, 1));
  Checkpoint checkpoint{.path = "w.pth"};
  for (const auto& [name, tensor] : state_dict(*build(find_model("test_rmt").config, 2))) {
    if (name == "proj.bias" || name == "norm.num_batches_tracked") continue;
    checkpoint.tensors.push_back({name, name == "head.weight" ? tensor.slice(0, 0, 4) : tensor});
  }
  checkpoint.tensors.push_back({"neck.weight", torch::ones({2})});
  checkpoint.tensors.push_back({"aux_head.weight", torch::ones({10, 96})});
  const auto message = message_of<CheckpointError>([&] { load_state(*model, checkpoint); });
  CHECK_THAT(message, Contains("[w.pth]") && Contains("1 missing, 1 unexpected, 1 reshaped"));
  CHECK_THAT(message, Contains("  proj.bias\n") && Contains("  neck.weight\n") &&
                          Contains("head.weight: model F32 [10, 96], file F32 [4, 96]"));
  check_bits(state_dict(*model), before);

  find_tensor(state_dict(*model), "norm.num_batches_tracked")->fill_(5);
  const auto report = load_state(*model, checkpoint, {.strict = false});
  CHECK(report.missing == std::vector<std::string>{"proj.bias"});
  CHECK(report.unexpected == std::vector<std::string>{"neck.weight"});
  REQUIRE(report.warnings.size() == 1);
  CHECK_THAT(report.warnings[0], Contains("aux_head.weight F32 [10, 96]"));
  CHECK(report.loaded.size() == before.size() - 3);
  CHECK(find_tensor(state_dict(*model), "norm.num_batches_tracked")->item<int64_t>() == 0);
  CHECK(find_tensor(state_dict(*model), "head.weight")->equal(*find_tensor(before, "head.weight")));
  CHECK(find_tensor(state_dict(*model), "norm.weight")->equal(*find_tensor(checkpoint.tensors, "norm.weight")));
}

TEST_CASE("other float types are converted, integers are not weights") {
  const auto& config = find_model("test_rmt_scale").config;
  const auto source = state_dict(*build(config, 4));
  for (const auto type : {torch::kDouble, torch::kHalf, torch::kBFloat16}) {
    Checkpoint checkpoint{.path = "w"};
    for (const auto& [name, tensor] : source) {
      checkpoint.tensors.push_back({name, tensor.is_floating_point() ? tensor.detach().to(type) : tensor});
    }
    const auto model = build_uninitialized(config);
    CHECK(load_state(*model, checkpoint).complete());
    for (const auto& [name, tensor] : state_dict(*model)) {
      if (name.find("Relpos") == std::string::npos) {
        CHECK(tensor.equal(find_tensor(checkpoint.tensors, name)->to(tensor.scalar_type())));
      }
    }
  }
  Checkpoint integers{.path = "w"};
  for (const auto& [name, tensor] : source) integers.tensors.push_back({name, tensor.detach().to(torch::kLong)});
  CHECK_THAT(message_of<CheckpointError>([&] { load_state(*build_uninitialized(config), integers); }),
             Contains("model F32") && Contains("file I64"));
}

TEST_CASE("bf16 files keep vectors and Relpos in F32") {
  const TemporaryFolder folder;
  const auto& config = find_model("test_rmt_scale").config;
  const auto model = build(config, 5);
  save_checkpoint(folder / "h.safetensors", *model, {.config = config}, SaveType::bf16);
  const auto saved = read_checkpoint(folder / "h.safetensors").tensors;
  std::map<std::string, at::ScalarType> types;
  for (const auto& [name, tensor] : saved) types[name] = tensor.scalar_type();
  for (const auto* name : {"layers.0.Relpos.decay", "layers.2.Relpos.angle", "layers.2.blocks.0.gamma_1",
                           "layers.0.blocks.0.retention_layer_norm.weight", "layers.0.blocks.0.ffn.fc1.bias",
                           "norm.running_var", "patch_embed.proj.0.bias"}) {
    CAPTURE(name);
    CHECK(types.at(name) == torch::kFloat);
  }
  for (const auto* name : {"head.weight", "layers.0.blocks.0.pos.conv.weight", "patch_embed.proj.0.weight"}) {
    CAPTURE(name);
    CHECK(types.at(name) == torch::kBFloat16);
  }
  CHECK(types.at("norm.num_batches_tracked") == torch::kLong);
  const auto loaded = load_model(folder / "h.safetensors");
  const auto original_state = state_dict(*model);
  for (const auto& [name, tensor] : state_dict(*loaded.model)) {
    const auto& original = *find_tensor(original_state, name);
    const bool kept = types.at(name) != torch::kBFloat16;
    CHECK(tensor.equal(kept ? original : original.detach().to(torch::kBFloat16).to(torch::kFloat)));
  }
}

// The loaded value of `name` when the file holds `value`.
torch::Tensor loaded_value(const ModelConfig& config, const std::string& name, const torch::Tensor& value,
                           std::vector<std::string>& warnings) {
  Checkpoint checkpoint{.path = "w", .tensors = state_dict(*build(config, 4))};
  for (auto& entry : checkpoint.tensors) {
    if (entry.name == name) entry.tensor = value;
  }
  const auto model = build_uninitialized(config);
  warnings = load_state(*model, checkpoint).warnings;
  return find_tensor(state_dict(*model), name)->clone();
}

TEST_CASE("angles and decays that were rounded with the file are computed anew") {
  for (const auto& [model, name] : {std::pair{"test_rmt_scale", "layers.1.Relpos.decay"},
                                    {"test_rmt_scale", "layers.3.Relpos.angle"},
                                    {"test_retnet", "retnet_rel_pos.decay"},
                                    {"test_retnet", "retnet_rel_pos.angle"},
                                    {"test_retnet_fla", "retnet_rel_pos.angle"}}) {
    CAPTURE(model, name);
    const auto& config = find_model(model).config;
    const auto formula = find_tensor(state_dict(*build(config, 4)), name)->clone();
    std::vector<std::string> warnings;
    for (const auto type : {torch::kBFloat16, torch::kHalf}) {
      const auto rounded = formula.to(type);
      if (rounded.to(torch::kFloat).equal(formula)) continue;  // the few angles of a tiny model may be exact
      for (const auto& stored : {rounded, rounded.to(torch::kFloat)}) {
        CHECK(loaded_value(config, name, stored, warnings).equal(formula));
        REQUIRE(warnings.size() == 1);
        CHECK_THAT(warnings[0], Contains(name) && Contains("computed anew"));
      }
    }
    // Values of another formula, or trained ones, are the file's, and those of the formula need no word.
    const auto other = (formula * 1.01).to(torch::kBFloat16);
    CHECK(loaded_value(config, name, other, warnings).equal(other.to(torch::kFloat)));
    CHECK(warnings.empty());
    CHECK(loaded_value(config, name, formula, warnings).equal(formula));
    CHECK(warnings.empty());
  }
}

TEST_CASE("a model whose decays were rounded is recognised") {
  for (const auto type : {torch::kBFloat16, torch::kHalf}) {
    auto tensors = state_dict(*build(find_model("rmt_t").config, 4));
    for (auto& entry : tensors) {
      if (entry.tensor.is_floating_point()) entry.tensor = entry.tensor.detach().to(type);
    }
    const auto* row = identify(tensors).row;
    REQUIRE(row != nullptr);
    CHECK(row->name == "rmt_t");
  }
}

TEST_CASE("damaged cards name the file and the entry") {
  const TemporaryFolder folder;
  const NamedTensors tensors = {{"a", torch::ones({2})}};
  const auto fails = [&](const std::string& key, const std::string& value) {
    write_tensors(folder / "d.safetensors", tensors, {{key, value}});
    return message_of<ConfigError>([&] { read_checkpoint(folder / "d.safetensors"); });
  };
  CHECK_THAT(fails("retentive.config", "{"), Contains("d.safetensors") && Contains("retentive.config"));
  CHECK_THAT(fails("retentive.config", R"({"family": "rmt", "depths": []})"), Contains("depths has 0"));
  CHECK_THAT(fails("retentive.labels", "[1]"), Contains("labels[0] is 1"));
  CHECK_THAT(fails("retentive.preprocessing", "{\"croq\": 1}"), Contains("\"crop\""));
}

TEST_CASE("tensors of every type and layout survive a file") {
  const TemporaryFolder folder;
  NamedTensors tensors = {{"transposed", torch::arange(6).view({2, 3}).t()},
                          {"empty", torch::empty({0, 3})},
                          {"scalar", torch::tensor(2.5)}};
  for (const auto type : {torch::kDouble, torch::kHalf, torch::kBFloat16, torch::kInt, torch::kShort, torch::kChar,
                          torch::kByte, torch::kBool}) {
    tensors.push_back({c10::toString(type), torch::tensor({0, 1, 1}).to(type)});
  }
  write_tensors(folder / "t.safetensors", tensors, {{"k", "v"}});
  const auto file = read_tensors(folder / "t.safetensors");
  check_bits(file.tensors, tensors);
  CHECK(file.metadata.at("k") == "v");
  CHECK_THAT(message_of<Unsupported>([&] {
               write_tensors(folder / "c", {{"c", torch::zeros(1, torch::kComplexFloat)}});
             }),
             Contains("ComplexFloat"));
}

}  // namespace
}  // namespace retentive::models
