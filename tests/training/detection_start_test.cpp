#include <support/catch.h>

#include <training/synthetic_detection.h>

#include <array>
#include <map>

#include <models/checkpoint.h>
#include <models/registry.h>
#include <models/training/trainer.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

namespace fs = std::filesystem;
using Catch::Contains;
using testing::detection_run;
using testing::TemporaryFolder;

fs::path best_of(const RunConfig& config) { return fs::path(config.run.output_dir) / "best.safetensors"; }

std::map<std::string, torch::Tensor> tensors_of(const fs::path& path) {
  std::map<std::string, torch::Tensor> result;
  for (const auto& [name, tensor] : read_checkpoint(path).tensors) result[name] = tensor.clone();
  return result;
}

// What the run began with.
std::map<std::string, torch::Tensor> initial_tensors(const RunConfig& config) {
  std::map<std::string, torch::Tensor> result;
  const auto model = build(load_model(best_of(config)).card.config.value(), static_cast<uint64_t>(config.run.seed));
  for (const auto& [name, tensor] : state_dict(*model)) result[name] = tensor.detach().clone();
  return result;
}

bool is_norm_state(const std::string& name) {
  return name.ends_with("running_mean") || name.ends_with("running_var") || name.ends_with("num_batches_tracked");
}

// A run that changes next to nothing, so that its weights show what it began with.
RunConfig standing_run(const TemporaryFolder& folder, const std::string& model, const std::string& output) {
  auto config = detection_run(folder, model, output);
  config.optimizer.lr = 1e-12;
  config.schedule = {ScheduleKind::constant, 1, 0, 0};
  return config;
}

bool same(const torch::Tensor& a, const torch::Tensor& b) { return torch::allclose(a, b, 0, 1e-9); }

}  // namespace

TEST_CASE("a detector starts from a classifier of the same backbone", "[detection start]") {
  const TemporaryFolder folder;
  auto classifier = std::get<vision::RmtConfig>(find_model("test_rmt_backbone").config);
  classifier.head = vision::RmtHead::classifier;
  classifier.num_classes = 10;
  const auto weights = folder / "classifier.safetensors";
  ModelCard card;
  card.config = classifier;
  save_checkpoint(weights, *build(classifier, 77), card);
  const auto given = tensors_of(weights);

  for (const std::string model : {"test_mask_rcnn", "test_retinanet"}) {
    INFO(model);
    auto config = standing_run(folder, model, "from_classifier_" + model);
    config.model.weights = weights;
    const auto notes = Trainer(config).notes();
    REQUIRE(notes.size() == 2);
    CHECK_THAT(notes[0], Contains("left fresh") && Contains("backbone.extra_norms.0.weight"));
    CHECK_THAT(notes[1],
               Contains("left out of the file: 9 tensors") && Contains(", proj.weight") && !Contains("backbone."));
    Trainer(config).run();
    const auto trained = tensors_of(best_of(config)), fresh = initial_tensors(config);
    int64_t taken = 0;
    for (const auto& [name, tensor] : trained) {
      if (is_norm_state(name)) continue;
      INFO(name);
      const auto source = name.starts_with("backbone.") ? given.find(name.substr(9)) : given.end();
      taken += source != given.end();
      CHECK(same(tensor, source == given.end() ? fresh.at(name) : source->second));
    }
    CHECK(taken > 50);
    CHECK_FALSE(same(fresh.at("backbone.patch_embed.proj.0.weight"), given.at("patch_embed.proj.0.weight")));
  }
}

TEST_CASE("a detector starts from one of other classes", "[detection start]") {
  for (const auto& [model, head, kept] : std::vector<std::array<std::string, 3>>{
           {"test_mask_rcnn", "roi_head.bbox_head.fc_cls.weight", "rpn_head.rpn_cls.weight"},
           {"test_retinanet", "bbox_head.retina_cls.weight", "bbox_head.cls_convs.0.conv.weight"}}) {
    INFO(model);
    const TemporaryFolder folder;
    const auto weights = folder / "three.safetensors";
    const auto& row = find_model(model);
    ModelCard card;
    card.config = row.config;
    save_checkpoint(weights, *build(row.config, 77), card);
    auto config = standing_run(folder, model, "other");
    config.model.weights = weights;
    const auto notes = Trainer(config).notes();
    REQUIRE(notes.size() == 1);
    CHECK_THAT(notes[0], Contains("left fresh") && Contains(head));
    CHECK_THAT(notes[0], !Contains("backbone."));
    Trainer(config).run();
    const auto trained = tensors_of(best_of(config)), given = tensors_of(weights);
    CHECK(same(trained.at(kept), given.at(kept)));
    CHECK(same(trained.at("neck.fpn_convs.0.conv.weight"), given.at("neck.fpn_convs.0.conv.weight")));
    CHECK(same(trained.at(head), initial_tensors(config).at(head)));

    config.model.weights = best_of(config);
    CHECK(Trainer(config).notes().empty());
  }
}

TEST_CASE("weights of another backbone, or of none, are refused", "[detection start]") {
  const TemporaryFolder folder;
  auto config = standing_run(folder, "test_mask_rcnn", "out");
  const auto refuse = [&](const std::string& model) {
    const auto& row = find_model(model);
    ModelCard card;
    card.config = row.config;
    config.model.weights = folder / (model + ".safetensors");
    save_checkpoint(config.model.weights, *build(row.config, 1), card);
    CHECK_THROWS_WITH(Trainer(config), Contains(model + ".safetensors") && Contains("does not fit the backbone"));
    CHECK_THROWS_AS(Trainer(config), CheckpointError);
  };
  refuse("test_rmt");
  refuse("test_vir");
  refuse("test_mask_rcnn_vir");
  config.model.weights = folder / "absent.safetensors";
  CHECK_THROWS_WITH(Trainer(config), Contains("absent.safetensors"));
  CHECK_FALSE(fs::exists(config.run.output_dir));
}

TEST_CASE("frozen layers stay as they are, frozen norms keep their statistics", "[detection start]") {
  const TemporaryFolder folder;
  for (const bool norms : {false, true}) {
    auto config = detection_run(folder, "test_mask_rcnn", norms ? "norms" : "layers");
    config.schedule = {ScheduleKind::constant, 1, 0, 0};
    config.model.frozen_layers = norms ? 0 : 2;
    config.model.freeze_norms = norms;
    config.optimizer.weight_decay = 0.1;
    config.run.grad_checkpointing = true;
    Trainer(config).run();
    const auto before = initial_tensors(config);
    const auto model = build_uninitialized(load_model(best_of(config)).card.config.value());
    const auto& backbone = *as_detector(model, "best")->backbone();
    int64_t kept = 0, moved = 0;
    for (const auto& [name, tensor] : tensors_of(best_of(config))) {
      if (!name.starts_with("backbone.") || name.find("Relpos") != std::string::npos) continue;
      INFO(name);
      const auto inner = name.substr(9);
      const bool in_norm = before.contains(name.substr(0, name.rfind('.')) + ".running_mean");
      const bool frozen = norms ? in_norm : backbone.layer_of(inner) < 2;
      CHECK(torch::equal(tensor, before.at(name)) == frozen);
      ++(frozen ? kept : moved);
    }
    CHECK(kept >= 20);
    CHECK(moved >= 20);
  }
}

TEST_CASE("the backbone may learn at a rate of its own", "[detection start]") {
  const TemporaryFolder folder;
  auto config = detection_run(folder, "test_retinanet");
  config.schedule = {ScheduleKind::constant, 1, 0, 0};
  config.optimizer.backbone_scale = 0.01;
  config.optimizer.weight_decay = 0;
  Trainer(config).run();
  const auto before = initial_tensors(config), after = tensors_of(best_of(config));
  const auto change = [&](const std::string& name) {
    return (after.at(name) - before.at(name)).abs().max().item<double>();
  };
  // AdamW moves a weight by about its rate in each of the three steps.
  CHECK(change("backbone.layers.1.blocks.0.ffn.fc1.weight") < 4 * 2e-5);
  CHECK(change("backbone.layers.1.blocks.0.ffn.fc1.weight") > 1e-5);
  CHECK(change("neck.lateral_convs.0.conv.weight") > 1e-3);
}

}  // namespace retentive::models
