#include <set>
#include <string>

#include <models/labels.h>
#include <models/registry.h>
#include <models/state_dict.h>
#include <models/test_files.h>
#include <retention/base/error.h>
#include <support/catch.h>
#include <support/fixture_file.h>
#include <vision/rmt_fixture_config.h>

namespace retentive::models {
namespace {

using Catch::Matchers::Contains;
using testing::message_of;
using vision::RmtConfig;
using vision::RmtHead;

TEST_CASE("every row is sound") {
  std::set<std::string> names;
  for (const ModelRow& row : model_rows()) {
    CAPTURE(row.name);
    CHECK(names.insert(row.name).second);
    CHECK(&find_model(row.name) == &row);
    CHECK_NOTHROW(validate(row.config));
    CHECK(parse_model_config(model_config_json(row.config), row.name) == row.config);
    CHECK(parse_preprocessing(preprocessing_json(row.preprocessing), row.name) == row.preprocessing);
    CHECK((row.kind() == ModelKind::language ||
           static_cast<int64_t>(row.preprocessing.mean.size()) == in_channels(row.config)));
    CHECK(row.preprocessing.resize_shorter >= row.preprocessing.crop[0]);
    CHECK_FALSE(row.description.empty());
    CHECK_FALSE(row.weights_note.empty());
    if (row.labels == "digits") CHECK(label_set(row.labels).size() == 10);
    if (row.published_top1) CHECK((*row.published_top1 > 80 && *row.published_top1 < 90));
  }
  CHECK(names.size() == model_names().size());
}

TEST_CASE("an unknown name gets the nearest one") {
  CHECK_THAT(message_of<ConfigError>([] { find_model("rtm_s"); }), Contains("\"rtm_s\"") && Contains("\"rmt_s\""));
  CHECK_THAT(message_of<ConfigError>([] { find_model("rmt_nana"); }), Contains("\"rmt_nano\""));
}

TEST_CASE("the published ImageNet class names are compiled in") {
  const auto labels = label_set("imagenet1k");
  REQUIRE(labels.size() == 1000);
  CHECK_THAT(labels.front(), Contains("tench"));
  CHECK_THAT(labels.back(), Contains("toilet"));
}

// The keys of a state dict against a list of [key, shape, ...] of the official code.
void check_keys(const NamedTensors& state, const std::vector<nlohmann::json>& keys) {
  REQUIRE(state.size() == keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    CAPTURE(i, state[i].name);
    REQUIRE(state[i].name == keys[i].at(0).get<std::string>());
    REQUIRE(state[i].tensor.sizes().vec() == keys[i].at(1).get<std::vector<int64_t>>());
  }
}

void check_variant(const std::string& name, int64_t parameters) {
  CAPTURE(name);
  const auto fixture = testing::read_fixture_json("rmt/" + name + ".keys.json");
  const auto config = testing::official_rmt_config(fixture.at("config"), RmtHead::classifier);
  CHECK(config_differences(find_model(name).config, config).empty());

  const auto classifier = as_backbone(build_uninitialized(find_model(name).config), name);
  CHECK(count_parameters(*classifier) == parameters);
  CHECK(fixture.at("num_params") == parameters);
  std::vector<nlohmann::json> keys = fixture.at("keys");
  check_keys(state_dict(*classifier), keys);
  for (const auto& [key, tensor] : state_dict(*classifier)) {
    const bool counter = key.ends_with("num_batches_tracked");
    CHECK(tensor.scalar_type() == (counter ? torch::kLong : torch::kFloat));
  }

  auto backbone_config = std::get<RmtConfig>(find_model(name).config);
  backbone_config.head = RmtHead::none;
  const auto backbone = as_backbone(build_uninitialized(backbone_config), name);
  const auto& facts = fixture.at("backbone");
  CHECK(count_parameters(*backbone) == facts.at("num_params"));
  const std::vector<std::string> dropped = facts.at("missing_keys");
  std::erase_if(keys, [&dropped](const auto& key) {
    return std::find(dropped.begin(), dropped.end(), key.at(0)) != dropped.end();
  });
  for (const auto& key : facts.at("extra_keys")) keys.push_back(key);
  check_keys(state_dict(*backbone), keys);
}

TEST_CASE("published sizes have the official keys, shapes, order and counts") {
  check_variant("rmt_t", 14'334'216);
  check_variant("rmt_s", 26'967'240);
  check_variant("rmt_b", 54'154'896);
  check_variant("rmt_l", 95'464'864);
}

TEST_CASE("token-label models append the auxiliary head") {
  auto config = std::get<RmtConfig>(find_model("rmt_s").config);
  config.head = RmtHead::token_label;
  const auto model = as_backbone(build_uninitialized(config), "model");
  CHECK(count_parameters(*model) == 27'480'240);
  const auto state = state_dict(*model);
  CHECK(state[state.size() - 2].name == "aux_head.weight");
  CHECK(state.back().name == "aux_head.bias");
}

TEST_CASE("rmt_nano stays within its budget and runs") {
  const auto& row = find_model("rmt_nano");
  const auto model = build_backbone(row.config, 1);
  CHECK(count_parameters(*model) == 1'641'834);
  CHECK(count_parameters(*model) <= 1'900'000);
  model->eval();
  const torch::NoGradGuard no_grad;
  CHECK(model->forward(torch::zeros({2, 1, 28, 28})).sizes() == at::IntArrayRef{2, 10});
}

TEST_CASE("the same seed builds the same bits, another seed others") {
  const auto& config = find_model("test_rmt").config;
  const auto first = state_dict(*build(config, 7)), second = state_dict(*build(config, 7));
  const auto third = state_dict(*build(config, 8));
  REQUIRE(first.size() == second.size());
  bool differs = false;
  for (std::size_t i = 0; i < first.size(); ++i) {
    CHECK(first[i].tensor.equal(second[i].tensor));
    differs = differs || !first[i].tensor.equal(third[i].tensor);
    CHECK(first[i].tensor.isfinite().all().item<bool>());
  }
  CHECK(differs);
}

TEST_CASE("a configuration too large to build is a typed error") {
  RmtConfig config;
  const auto fails = [](const RmtConfig& large) {
    return message_of<ConfigError>([&large] { build_uninitialized(large); });
  };
  config.embed_dims = {int64_t{1} << 40, 128, 256, 512};
  CHECK_THAT(fails(config), Contains("embed_dims") && Contains("make it smaller"));
  config = {};
  config.depths = {1, 1, int64_t{1} << 62, 1};
  CHECK_THAT(fails(config), Contains("number of blocks") && Contains("at most 4096"));
  config = {};
  config.mlp_ratios = {3, 3, 3, 1e30};
  CHECK_THAT(fails(config), Contains("feed-forward width is 5.12e+32"));
}

TEST_CASE("state_dict lists own parameters, own buffers, then children") {
  struct Child : torch::nn::Module {
    Child() { weight = register_parameter("weight", torch::ones({2})); }
    torch::Tensor weight;
  };
  struct Parent : torch::nn::Module {
    Parent() {
      child = register_module("child", std::make_shared<Child>());
      buffer = register_buffer("buffer", torch::zeros({3}));
      frozen = register_parameter("frozen", torch::ones({4}), false);
      absent = register_parameter("absent", torch::Tensor(), false);
    }
    std::shared_ptr<Child> child;
    torch::Tensor buffer, frozen, absent;
  };
  const Parent parent;
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state_dict(parent)) names.push_back(name);
  CHECK(names == std::vector<std::string>{"frozen", "buffer", "child.weight"});
  CHECK(count_parameters(parent) == 2);
}

}  // namespace
}  // namespace retentive::models
