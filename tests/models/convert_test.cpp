#include <filesystem>
#include <string>

#include <models/convert.h>
#include <models/labels.h>
#include <models/registry.h>
#include <models/sha256.h>
#include <models/tensor_io.h>
#include <models/test_files.h>
#include <models/upstream_keys.h>
#include <retention/base/error.h>
#include <support/catch.h>
#include <support/fixture_file.h>
#include <vision/rmt_fixture_config.h>

namespace retentive::models {
namespace {

using Catch::Matchers::Contains;
using formats::PickleEntry;
using formats::PickleValue;
using testing::message_of;
using testing::rmt_fixture;
using testing::TemporaryFolder;

ModelConfig fixture_config() {
  const auto json = testing::read_fixture_json("rmt/ckpt_io.json");
  return testing::official_rmt_config(json.at("config"), vision::RmtHead::classifier);
}

PickleValue dict(std::vector<std::pair<std::string, PickleValue>> entries) {
  PickleValue::Dict result;
  for (auto& [key, value] : entries) result.push_back({PickleValue(key), std::move(value)});
  return PickleValue(std::move(result));
}

TEST_CASE("state dicts are found at the usual places") {
  const PickleValue state = dict({{"w", PickleValue(formats::PickleTensor{})}});
  const auto keys = [](const PickleValue& root) {
    std::vector<std::string> found;
    for (const auto& location : find_states(root)) found.push_back((location.ema ? "ema:" : "raw:") + location.key);
    return found;
  };
  using Keys = std::vector<std::string>;
  CHECK(keys(state) == Keys{"raw:"});
  CHECK(keys(dict({{"model_ema", state}, {"optimizer", state}, {"model", state}})) ==
        Keys{"raw:model", "ema:model_ema"});
  CHECK(keys(dict({{"state_dict", state}, {"meta", PickleValue(int64_t{1})}})) == Keys{"raw:state_dict"});
  CHECK(keys(dict({{"model", dict({{"state_dict", state}})}})) == Keys{"raw:model.state_dict"});
  CHECK(keys(dict({{"model_state_dict", state}, {"ema", dict({{"module", state}})}})) ==
        Keys{"raw:model_state_dict", "ema:ema.module"});
  CHECK(keys(dict({{"module", state}, {"ds_version", PickleValue(int64_t{1})}})) == Keys{"raw:module"});
  const PickleValue unread = dict({{"w", PickleValue(formats::SkippedObject{"torch.uint16 [2]", true})}});
  CHECK(keys(dict({{"model", unread}})) == Keys{"raw:model"});
  CHECK(keys(dict({{"args", dict({{"a", PickleValue(formats::SkippedObject{"argparse.Namespace"})}})}})).empty());
  CHECK(keys(dict({{"epoch", PickleValue(int64_t{1})}})).empty());
  CHECK(keys(PickleValue(int64_t{1})).empty());
}

NamedTensors weights_of(const ModelConfig& config) { return state_dict(*build_uninitialized(config)); }

TEST_CASE("published sizes are recognised with every head") {
  for (const auto* name : {"rmt_t", "rmt_s", "rmt_b", "rmt_l", "rmt_nano"}) {
    for (const auto head : {vision::RmtHead::classifier, vision::RmtHead::token_label, vision::RmtHead::none}) {
      CAPTURE(name, enum_name(head));
      auto config = std::get<vision::RmtConfig>(find_model(name).config);
      config.head = head;
      if (head != vision::RmtHead::none) config.num_classes = 17;
      const auto found = identify(weights_of(config));
      REQUIRE(found.row != nullptr);
      CHECK(found.row->name == name);
      CHECK(config_differences(*found.config, config).empty());
    }
  }
}

TEST_CASE("near misses are not recognised and say why") {
  auto config = std::get<vision::RmtConfig>(find_model("rmt_t").config);
  config.depths[2] = 9;
  CHECK_THAT(identify(weights_of(config)).reason, Contains("rmt_t") && Contains("layers.2 is 9") && Contains("not 8"));
  config = std::get<vision::RmtConfig>(find_model("rmt_t").config);
  config.decay_range[1] = 5;
  const auto found = identify(weights_of(config));
  CHECK(found.row == nullptr);
  CHECK_THAT(found.reason, Contains("layers.1.Relpos.decay"));
  CHECK(identify({}).row == nullptr);
  CHECK(identify({{"layers.0.Relpos.decay", torch::tensor(1.0)}}).row == nullptr);
}

TEST_CASE("an auxiliary head over another width is dropped with a warning") {
  const TemporaryFolder folder;
  auto tensors = state_dict(*build(find_model("test_rmt_scale").config, 1));
  tensors.push_back({"aux_head.weight", torch::zeros({7, 1024})});
  tensors.push_back({"aux_head.bias", torch::zeros({7})});
  write_tensors(folder / "in.safetensors", tensors);
  const auto report =
      convert(folder / "in.safetensors", folder / "out.safetensors", {.choice = {.name = "test_rmt_scale"}});
  CHECK(std::get<vision::RmtConfig>(*report.card.config).head == vision::RmtHead::classifier);
  REQUIRE(report.warnings.size() == 2);
  CHECK_THAT(report.warnings[0], Contains("aux_head.weight F32 [7, 1024]"));
  CHECK(find_tensor(read_checkpoint(folder / "out.safetensors").tensors, "aux_head.weight") == nullptr);
}

TEST_CASE("averaged weights are preferred where the published score is theirs") {
  CHECK_FALSE(find_model("rmt_t").published_ema);
  for (const auto* name : {"rmt_s", "rmt_b", "rmt_l"}) CHECK(find_model(name).published_ema);
}

TEST_CASE("a pth becomes a file that runs alone, bit for bit") {
  const TemporaryFolder folder;
  const std::string in = rmt_fixture("ckpt_training.pth"), out = folder / "out.safetensors";
  const ConvertOptions options{
      .prefer = Prefer::ema, .choice = {.config = fixture_config()}, .labels = {"a", "b", "c", "d"}};
  const auto report = convert(in, out, options);
  CHECK(report.taken == "model_ema");
  CHECK(report.match.complete());
  CHECK(report.warnings.empty());
  const auto loaded = load_model(out);
  CHECK(*loaded.card.config == fixture_config());
  CHECK(loaded.card.labels == options.labels);
  CHECK(loaded.card.source == "ckpt_training.pth (model_ema)");
  CHECK(loaded.card.source_sha256 == sha256_file(in));
  const auto twin = read_checkpoint(rmt_fixture("ckpt_training.model_ema.safetensors")).tensors;
  const auto state = state_dict(*loaded.model);
  REQUIRE(state.size() == twin.size());
  for (const auto& [name, tensor] : twin) CHECK(find_tensor(state, name)->equal(tensor));
}

TEST_CASE("what no model is recognised in is written as it is") {
  const TemporaryFolder folder;
  const NamedTensors tensors = {{"a", torch::tensor({1.0, 2.0}, torch::kDouble)},
                                {"b", torch::tensor({3}, torch::kLong)}};
  write_tensors(folder / "in.safetensors", tensors);
  const auto report = convert(folder / "in.safetensors", folder / "out.safetensors");
  CHECK_FALSE(report.card.config);
  REQUIRE(report.warnings.size() == 1);
  CHECK_THAT(report.warnings[0], Contains("--model") && Contains("--config"));
  const auto written = read_checkpoint(folder / "out.safetensors");
  CHECK_FALSE(written.card.config);
  CHECK(written.card.source == "in.safetensors");
  CHECK(find_tensor(written.tensors, "a")->equal(tensors[0].tensor));
  CHECK(find_tensor(written.tensors, "b")->equal(tensors[1].tensor));
}

TEST_CASE("nothing is written over, or from a file that does not fit") {
  const TemporaryFolder folder;
  const std::string in = rmt_fixture("ckpt_minimal.pth"), out = folder.write("out.safetensors", "kept");
  const ConvertOptions known{.choice = {.config = fixture_config()}};
  CHECK_THAT(message_of<InvalidArgument>([&] { convert(in, out, known); }), Contains("exists") && Contains("--force"));
  CHECK(testing::read_text(out) == "kept");
  auto other = std::get<vision::RmtConfig>(fixture_config());
  other.depths[0] = 2;
  const ConvertOptions wrong{.choice = {.config = other}, .overwrite = true};
  CHECK_THAT(message_of<CheckpointError>([&] { convert(in, out, wrong); }),
             Contains("22 missing, 0 unexpected") && Contains("layers.0.blocks.1.ffn.fc1.weight"));
  CHECK(testing::read_text(out) == "kept");
  ConvertOptions labels = known;
  labels.overwrite = true;
  labels.labels = {"one", "two"};
  CHECK_THAT(message_of<ConfigError>([&] { convert(in, out, labels); }), Contains("2 labels") && Contains("4 classes"));
  CHECK(testing::read_text(out) == "kept");
  CHECK_THAT(message_of<InvalidArgument>([&] { convert(out, out, {.overwrite = true}); }), Contains("input itself"));
  ConvertOptions lenient = wrong;
  lenient.strict = false;
  CHECK(convert(in, out, lenient).match.missing.size() == 22);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("infinite and NaN weights are reported") {
  const TemporaryFolder folder;
  write_tensors(folder / "in.safetensors", {{"fine", torch::ones(2)}, {"bad", torch::tensor({1.0f, NAN})}});
  CHECK(non_finite_tensors(read_tensors(folder / "in.safetensors").tensors) == std::vector<std::string>{"bad"});
  const auto report = convert(folder / "in.safetensors", folder / "out.safetensors");
  REQUIRE(report.warnings.size() == 2);
  CHECK_THAT(report.warnings[1], Contains("1 tensors") && Contains("bad"));
}

}  // namespace
}  // namespace retentive::models
