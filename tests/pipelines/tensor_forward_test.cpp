#include <set>

#include <models/pipelines/tensor_forward.h>
#include <pipelines/helpers.h>
#include <support/tensors.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;

/// Outputs of a fixture's weights, run as the registered model of the same shape, on one of its inputs.
models::NamedTensors run_fixture(const std::string& name, const std::string& model, const torch::Tensor& image) {
  models::ModelChoice choice;
  choice.name = model;
  const auto loaded = models::load_model(fixture_path("rmt/" + name + ".weights.safetensors"), choice);
  return models::forward_image(*models::as_backbone(loaded.model, name), *loaded.card.config, {{"image", image}},
                               "inputs");
}

std::vector<std::string> names_of(const models::NamedTensors& tensors) {
  std::vector<std::string> names;
  for (const auto& entry : tensors) names.push_back(entry.name);
  return names;
}

void compare(const models::NamedTensors& outputs, const std::string& name, const torch::Tensor& reference,
             WorstDeviation& worst) {
  const auto* tensor = models::find_tensor(outputs, name);
  REQUIRE(tensor != nullptr);
  INFO(name);
  CHECK(worst.add(name, deviation(*tensor, reference)) < 1e-4);
}

TEST_CASE("forward_image reproduces the classification fixture") {
  const Fixture fixture("rmt/tiny_a");
  WorstDeviation worst("forward: tiny_a");
  for (const std::string prefix : {"in0/", "in1/", "in2/"}) {
    const auto outputs = run_fixture("tiny_a", "test_rmt", fixture.get(prefix + "input"));
    CHECK(names_of(outputs) == std::vector<std::string>{"stage1", "stage2", "stage3", "stage4", "pooled", "logits"});
    for (const std::string stage : {"stage1", "stage2", "stage3", "stage4"}) {
      compare(outputs, stage, fixture.get(prefix + stage).permute({0, 3, 1, 2}), worst);
    }
    compare(outputs, "pooled", fixture.get(prefix + "pooled"), worst);
    compare(outputs, "logits", fixture.get(prefix + "logits"), worst);
  }
}

TEST_CASE("forward_image reproduces the backbone fixture") {
  const Fixture fixture("rmt/tiny_backbone");
  WorstDeviation worst("forward: tiny_backbone");
  for (const std::string prefix : {"in0/", "in1/", "in2/"}) {
    const auto outputs = run_fixture("tiny_backbone", "test_rmt_backbone", fixture.get(prefix + "input"));
    REQUIRE(outputs.size() == 4);
    for (int k = 0; k < 4; ++k) {
      compare(outputs, "stage" + std::to_string(k + 1), fixture.get(prefix + "out" + std::to_string(k)), worst);
    }
  }
}

TEST_CASE("forward_image reproduces the token-label fixture") {
  const Fixture fixture("rmt/tiny_token_label");
  WorstDeviation worst("forward: tiny_token_label");
  const auto outputs = run_fixture("tiny_token_label", "test_rmt_token_label", fixture.get("in0/input"));
  compare(outputs, "logits", fixture.get("in0/output"), worst);
  compare(outputs, "cls_logits", fixture.get("in0/cls_logits"), worst);
  compare(outputs, "aux_logits", fixture.get("in0/aux_logits"), worst);
  compare(outputs, "stage4", fixture.get("in0/tokens").permute({0, 3, 1, 2}), worst);
}

TEST_CASE("forward_image gives the out_indices of a model without head") {
  auto config = std::get<vision::RmtConfig>(models::find_model("test_rmt_backbone").config);
  const auto model = models::build_backbone(config, 1);
  model->eval();
  config.out_indices = {1, 3};
  const auto partial = models::build_backbone(config, 1);
  partial->eval();
  const models::NamedTensors inputs = {{"image", random_tensor({1, 3, 40, 56}, 8)}};
  const auto all = models::forward_image(*model, models::find_model("test_rmt_backbone").config, inputs, "i");
  const auto some = models::forward_image(*partial, config, inputs, "i");
  CHECK(names_of(some) == std::vector<std::string>{"stage2", "stage4"});
  CHECK(deviation(some[0].tensor, all[1].tensor) < 1e-6);
  CHECK(deviation(some[1].tensor, all[3].tensor) < 1e-6);
}

TEST_CASE("forward_image names what is wrong with its inputs") {
  const auto& config = models::find_model("test_rmt").config;
  const auto model = models::build_backbone(config, 1);
  model->eval();
  const auto message = [&](const models::NamedTensors& inputs) {
    return message_of<InvalidArgument>([&] { models::forward_image(*model, config, inputs, "in.safetensors"); });
  };
  const auto image = torch::zeros({1, 3, 32, 32});
  CHECK_THAT(message({}), Contains("in.safetensors") && Contains("no tensor"));
  CHECK_THAT(message({{"input", image}}), Contains("\"input\"") && Contains("\"image\""));
  CHECK_THAT(message({{"image", image}, {"mask", image}}), Contains("\"mask\""));
  CHECK_THAT(message({{"image", image[0]}}), Contains("[3, 32, 32]") && Contains("[B, 3, H, W]"));
  CHECK_THAT(message({{"image", image.to(torch::kDouble)}}), Contains("Double"));
  CHECK_THAT(message({{"image", torch::zeros({1, 1, 32, 32})}}), Contains("[1, 1, 32, 32]"));
  CHECK_THAT(message({{"image", torch::zeros({0, 3, 32, 32})}}), Contains("[0, 3, 32, 32]"));
}

}  // namespace
}  // namespace retentive::testing
