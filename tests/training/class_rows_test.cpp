#include <support/catch.h>

#include <training/synthetic.h>

#include <models/checkpoint.h>
#include <models/registry.h>
#include <models/training/class_rows.h>
#include <models/training/run_model.h>

namespace retentive::models {
namespace {

using Catch::Contains;
using testing::synthetic_run;
using testing::TemporaryFolder;
using Names = std::vector<std::string>;

/// A model with other values than any other seed, biases too.
std::shared_ptr<torch::nn::Module> random_model(const ModelConfig& config, uint64_t seed) {
  const auto model = build(config, seed);
  const torch::NoGradGuard no_grad;
  torch::manual_seed(seed);
  for (auto& parameter : model->parameters()) parameter.normal_();
  return model;
}

ModelConfig detector_config(const std::string& name, int64_t classes) {
  auto config = find_model(name).config;
  if (auto* retinanet = std::get_if<vision::RetinanetConfig>(&config)) retinanet->num_classes = classes;
  if (auto* mask_rcnn = std::get_if<vision::MaskRcnnConfig>(&config)) mask_rcnn->num_classes = classes;
  return config;
}

torch::Tensor tensor_of(const NamedTensors& tensors, const std::string& name) {
  const auto* found = find_tensor(tensors, name);
  REQUIRE(found != nullptr);
  return found->detach().clone();
}

TEST_CASE("a classifier's outputs are taken over by class name", "[class_rows]") {
  const TemporaryFolder folder;
  auto run = synthetic_run(folder);
  ModelCard card;
  card.labels = {"vertical", "block", "horizontal"};
  auto config = std::get<vision::RmtConfig>(*run.model.config);
  config.num_classes = 3;
  card.config = config;
  const auto first = random_model(config, 77);
  run.model.weights = folder / "w.safetensors";
  save_checkpoint(run.model.weights, *first, card);
  const auto given = tensor_of(state_dict(*first), "head.weight");
  const auto start = [&](const Names& classes) {
    const auto model = build_run_model(run, classes);
    return std::pair(tensor_of(state_dict(*model.model), "head.weight"), model.notes);
  };
  CHECK(torch::equal(start(card.labels).first, given));
  CHECK(start(card.labels).second.empty());
  const auto [turned, notes] = start({"block", "horizontal", "vertical"});
  CHECK(torch::equal(turned, given.index_select(0, torch::tensor({1, 2, 0}))));
  CHECK_THAT(notes.at(0), Contains("3 of 3 classes"));
  const auto [more, more_notes] = start({"block", "disc", "horizontal", "vertical"});
  REQUIRE(more.size(0) == 4);
  CHECK(torch::equal(more[0], given[1]));
  CHECK(torch::equal(more[3], given[0]));
  CHECK(more[1].abs().max().item<float>() < 0.5);
  CHECK_THAT(more_notes.at(0), Contains("3 of 4 classes"));
  // Three other classes are not these three.
  const auto [foreign, foreign_notes] = start({"a", "b", "c"});
  CHECK(foreign.abs().max().item<float>() < 0.5);
  CHECK_THAT(foreign_notes.at(0), Contains("0 of 3 classes"));
}

TEST_CASE("a detector's outputs are taken over by class name, background and anchors in place", "[class_rows]") {
  struct Output {
    std::string model, name;
    int64_t width;
    bool background;
  };
  for (const auto& [name, output, width, background] :
       std::vector<Output>{{"test_mask_rcnn", "roi_head.bbox_head.fc_cls", 1, true},
                           {"test_mask_rcnn", "roi_head.bbox_head.fc_reg", 4, false},
                           {"test_mask_rcnn", "roi_head.mask_head.conv_logits", 1, false},
                           {"test_retinanet", "bbox_head.retina_cls", 1, false}}) {
    INFO(output);
    Checkpoint checkpoint;
    checkpoint.card.labels = {"ant", "bee"};
    checkpoint.tensors = state_dict(*random_model(detector_config(name, 2), 77));
    const auto model = random_model(detector_config(name, 3), 5);
    const auto own = state_dict(*model), before = checkpoint.tensors;
    const auto notes = match_class_rows(checkpoint, *model, {"bee", "cat", "ant"});
    CHECK_THAT(notes.at(0), Contains("2 of 3 classes"));
    for (const char* kind : {".weight", ".bias"}) {
      const auto given = tensor_of(before, output + kind), fresh = tensor_of(own, output + kind);
      const auto found = tensor_of(checkpoint.tensors, output + kind);
      REQUIRE(found.sizes() == fresh.sizes());
      const int64_t rows = background ? fresh.size(0) - 1 : fresh.size(0), repeats = rows / (3 * width);
      CHECK(repeats == (name == "test_retinanet" ? rows / 3 : 1));
      for (int64_t repeat = 0; repeat < repeats; ++repeat) {
        const auto ours = [&](const torch::Tensor& all, int64_t k) {
          return all.narrow(0, (repeat * 3 + k) * width, width);
        };
        const auto theirs = [&](int64_t k) { return given.narrow(0, (repeat * 2 + k) * width, width); };
        CHECK(torch::equal(ours(found, 0), theirs(1)));
        CHECK(torch::equal(ours(found, 1), ours(fresh, 1)));
        CHECK(torch::equal(ours(found, 2), theirs(0)));
      }
      if (background) CHECK(torch::equal(found[-1], given[-1]));
    }
    const auto kept = name == "test_retinanet" ? "bbox_head.retina_reg.weight" : "rpn_head.rpn_cls.weight";
    CHECK(torch::equal(tensor_of(checkpoint.tensors, kept), tensor_of(before, kept)));
  }
}

}  // namespace
}  // namespace retentive::models
