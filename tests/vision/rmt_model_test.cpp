#include <torch/torch.h>

#include <support/tensors.h>
#include <vision/rmt.h>
#include <vision/rmt_fixture_config.h>

using namespace retentive;
using namespace retentive::testing;
using namespace retentive::vision;
using torch::Tensor;

namespace {

constexpr double kModel = 1e-4;

struct TinyModel {
  TinyModel(const std::string& name, RmtHead head)
      : description(read_fixture_json("rmt/" + name + ".json")),
        reference("rmt/" + name),
        model(official_rmt_config(description["config"], head)),
        worst(name) {
    Fixture("rmt/" + name + ".weights").load_into(*model, "");
    model->eval();
  }

  double check(const std::string& key, const Tensor& actual) {
    return worst.add(key, deviation(actual, reference.get(key)));
  }

  nlohmann::json description;
  Fixture reference;
  Rmt model;
  WorstDeviation worst;
};

void check_classifier(const std::string& name) {
  TinyModel tiny(name, RmtHead::classifier);
  torch::NoGradGuard no_grad;
  for (const auto& item : tiny.description["cases"]) {
    const std::string prefix = item["prefix"];
    INFO(name << " " << prefix);
    const auto image = tiny.reference.get(prefix + "input");
    const auto stages = tiny.model->forward_intermediates(image, {0, 1, 2, 3}, Layout::nhwc);
    for (size_t s = 0; s < 4; ++s) CHECK(tiny.check(prefix + "stage" + std::to_string(s + 1), stages[s]) <= kModel);
    const auto features = tiny.model->forward_features(image);
    CHECK(tiny.check(prefix + "pooled", tiny.model->forward_head(features, true)) <= kModel);
    CHECK(tiny.check(prefix + "logits", tiny.model->forward_head(features)) <= kModel);
    CHECK(tiny.check(prefix + "logits", tiny.model->forward(image)) <= kModel);
  }
}

}  // namespace

TEST_CASE("tiny classification models equal the reference", "[rmt][fixture]") {
  check_classifier("tiny_a");
  check_classifier("tiny_b");
}

TEST_CASE("decay and angle of the file win over the formula", "[rmt][fixture]") {
  check_classifier("tiny_buffers");
  TinyModel tiny("tiny_buffers", RmtHead::classifier);
  const Rmt by_formula(tiny.model->config());
  const auto stored = tiny.model->named_buffers()["layers.0.Relpos.decay"];
  CHECK(tiny.check("in0/logits", tiny.model->forward(tiny.reference.get("in0/input"))) <= kModel);
  CHECK(deviation(stored * 2, by_formula->named_buffers()["layers.0.Relpos.decay"]) < 1e-6);
}

TEST_CASE("detection backbone equals the reference", "[rmt][fixture]") {
  TinyModel tiny("tiny_backbone", RmtHead::none);
  torch::NoGradGuard no_grad;
  for (const auto& item : tiny.description["cases"]) {
    const std::string prefix = item["prefix"];
    const auto maps = tiny.model->forward_pyramid(tiny.reference.get(prefix + "input"));
    REQUIRE(maps.size() == 4);
    for (size_t s = 0; s < 4; ++s) CHECK(tiny.check(prefix + "out" + std::to_string(s), maps[s]) <= kModel);
  }
}

TEST_CASE("token-label model equals the reference", "[rmt][fixture]") {
  TinyModel tiny("tiny_token_label", RmtHead::token_label);
  torch::NoGradGuard no_grad;
  const auto image = tiny.reference.get("in0/input");
  const auto logits = tiny.model->forward_token_label(image);
  CHECK(tiny.check("in0/cls_logits", logits.cls_logits) <= kModel);
  CHECK(tiny.check("in0/aux_logits", logits.aux_logits) <= kModel);
  CHECK(tiny.check("in0/output", tiny.model->forward(image)) <= kModel);
  const auto tokens = tiny.model->forward_intermediates(image, {3}, Layout::nhwc)[0];
  CHECK(tiny.check("in0/tokens", tokens) <= kModel);
}

TEST_CASE("one training step equals the reference", "[rmt][fixture]") {
  TinyModel tiny("tiny_train", RmtHead::classifier);
  const auto& tolerance = tiny.description["tolerance"];
  tiny.model->train();
  const auto logits = tiny.model->forward(tiny.reference.get("input"));
  const auto target = tiny.reference.get("target");
  const Tensor loss = -(target * torch::log_softmax(logits, 1)).sum(1).mean();
  loss.backward();
  CHECK(tiny.check("logits", logits) <= tolerance["logits,loss,after"].get<double>());
  CHECK(tiny.check("loss", loss.view({1})) <= tolerance["logits,loss,after"].get<double>());
  WorstDeviation grad_worst("tiny_train gradients (relative)");
  const auto small = tiny.description["small_gradient_keys"].get<std::vector<std::string>>();
  for (const auto& item : tiny.model->named_parameters()) {
    INFO(item.key());
    const auto expected = tiny.reference.get("grad/" + item.key());
    const double error = (item.value().grad() - expected).abs().max().item<double>();
    if (std::find(small.begin(), small.end(), item.key()) != small.end()) {
      CHECK(error <= 1e-5);
    } else {
      CHECK(grad_worst.add(item.key(), error / expected.abs().max().item<double>()) <= tolerance["grad"].get<double>());
    }
  }
  for (const auto& item : tiny.model->named_buffers()) {
    if (item.key().find("Relpos") != std::string::npos) continue;
    CHECK(tiny.check("after/" + item.key(), item.value()) <= tolerance["logits,loss,after"].get<double>());
  }
}
