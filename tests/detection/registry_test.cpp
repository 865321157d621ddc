#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <torch/torch.h>

#include <models/checkpoint.h>
#include <models/registry.h>
#include <models/state_dict.h>
#include <models/test_files.h>
#include <models/upstream_keys.h>
#include <retention/base/error.h>
#include <support/tensors.h>

namespace retentive::models {
namespace {

TEST_CASE("published detectors have the published number of parameters") {
  const auto millions = [](const std::string& name) {
    return std::lround(static_cast<double>(count_parameters(find_model(name).config)) / 1e6);
  };
  CHECK(millions("retinanet_rmt_t") == 23);
  CHECK(millions("retinanet_rmt_s") == 36);
  CHECK(millions("retinanet_rmt_b") == 63);
  CHECK(millions("retinanet_rmt_l") == 104);
  CHECK(millions("mask_rcnn_rmt_t") == 33);
  CHECK(millions("mask_rcnn_rmt_s") == 46);
  CHECK(millions("mask_rcnn_rmt_b") == 73);
  CHECK(millions("mask_rcnn_rmt_l") == 114);
  CHECK(count_parameters(find_model("mask_rcnn_rmt_nano").config) < 4'000'000);
}

TEST_CASE("detectors have mmdetection's keys") {
  const auto shapes = [](const std::string& name) {
    std::map<std::string, std::vector<int64_t>> result;
    const auto model = build_uninitialized(find_model(name).config);
    for (const auto& [key, tensor] : state_dict(*model)) result[key] = tensor.sizes().vec();
    return result;
  };
  using Shape = std::vector<int64_t>;
  const auto dense = shapes("retinanet_rmt_t");
  CHECK(dense.at("backbone.extra_norms.3.weight") == Shape{512});
  CHECK(dense.at("neck.lateral_convs.0.conv.weight") == Shape{256, 128, 1, 1});
  CHECK(dense.at("neck.lateral_convs.2.conv.bias") == Shape{256});
  CHECK(dense.at("neck.fpn_convs.2.conv.weight") == Shape{256, 256, 3, 3});
  CHECK(dense.at("neck.fpn_convs.3.conv.weight") == Shape{256, 512, 3, 3});
  CHECK(dense.at("neck.fpn_convs.4.conv.weight") == Shape{256, 256, 3, 3});
  CHECK(dense.at("bbox_head.cls_convs.3.conv.weight") == Shape{256, 256, 3, 3});
  CHECK(dense.at("bbox_head.reg_convs.0.conv.bias") == Shape{256});
  CHECK(dense.at("bbox_head.retina_cls.weight") == Shape{720, 256, 3, 3});
  CHECK(dense.at("bbox_head.retina_reg.bias") == Shape{36});
  CHECK_FALSE(dense.contains("neck.lateral_convs.3.conv.weight"));
  const auto regions = shapes("mask_rcnn_rmt_t");
  CHECK(regions.at("neck.lateral_convs.0.conv.weight") == Shape{256, 64, 1, 1});
  CHECK(regions.at("rpn_head.rpn_conv.weight") == Shape{256, 256, 3, 3});
  CHECK(regions.at("rpn_head.rpn_cls.weight") == Shape{3, 256, 1, 1});
  CHECK(regions.at("rpn_head.rpn_reg.weight") == Shape{12, 256, 1, 1});
  CHECK(regions.at("roi_head.bbox_head.shared_fcs.0.weight") == Shape{1024, 12544});
  CHECK(regions.at("roi_head.bbox_head.shared_fcs.1.weight") == Shape{1024, 1024});
  CHECK(regions.at("roi_head.bbox_head.fc_cls.weight") == Shape{81, 1024});
  CHECK(regions.at("roi_head.bbox_head.fc_reg.weight") == Shape{320, 1024});
  CHECK(regions.at("roi_head.mask_head.convs.3.conv.weight") == Shape{256, 256, 3, 3});
  CHECK(regions.at("roi_head.mask_head.upsample.weight") == Shape{256, 256, 2, 2});
  CHECK(regions.at("roi_head.mask_head.conv_logits.weight") == Shape{80, 256, 1, 1});
  CHECK_FALSE(regions.contains("neck.fpn_convs.4.conv.weight"));
}

TEST_CASE("detector files are recognised, also in a training checkpoint's nesting") {
  for (const std::string name : {"test_retinanet", "test_mask_rcnn", "test_faster_rcnn"}) {
    INFO(name);
    const auto model = build(find_model(name).config, 5);
    const auto found = identify(state_dict(*model), &find_model(name));
    REQUIRE(found.config);
    CHECK(*found.config == find_model(name).config);
    const testing::TemporaryFolder folder;
    ModelCard card;
    card.config = find_model(name).config;
    save_checkpoint(folder / "weights.safetensors", *model, card);
    const auto loaded = load_model(folder / "weights.safetensors");
    CHECK(loaded.report.complete());
    CHECK(*loaded.card.config == find_model(name).config);
    const auto other = as_detector(loaded.model, name);
    for (const auto& item : model->named_parameters()) {
      CHECK(torch::equal(item.value(), other->named_parameters()[item.key()]));
    }
  }
  const auto backbone = build(find_model("test_rmt_backbone").config, 1);
  CHECK_FALSE(identify(state_dict(*backbone), &find_model("test_mask_rcnn")).config);
}

TEST_CASE("a Cascade R-CNN is refused by name") {
  NamedTensors tensors;
  for (const auto& [name, tensor] : state_dict(*build(find_model("test_mask_rcnn").config, 5))) {
    const std::string head = "roi_head.bbox_head.";
    const bool boxes = name.starts_with(head);
    tensors.emplace_back(boxes ? head + "0." + name.substr(head.size()) : name, tensor);
  }
  CHECK_THROWS_AS(identify(tensors), Unsupported);
  CHECK_THROWS_WITH(identify(tensors), Catch::Matchers::Contains("Cascade R-CNN"));
}

TEST_CASE("detector configurations are checked") {
  const auto refused = [](const std::string& json) {
    try {
      parse_model_config(json, "m.json");
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  using Catch::Matchers::Contains;
  CHECK(refused(R"({"family": "mask_rcnn", "backbone": {"family": "rmt"}})") == "accepted");
  CHECK(refused(R"({"family": "retinanet", "backbone": {"family": "vir", "dim": 64, "num_heads": 4}})") == "accepted");
  CHECK_THAT(refused(R"({"family": "retinanet", "backbone": {"family": "retnet"}})"), Contains("backbone.family"));
  CHECK_THAT(refused(R"({"family": "retinanet", "backbone": {"family": "rmt", "head": "classifier"}})"),
             Contains("backbone.head") && Contains("none"));
  CHECK_THAT(refused(R"({"family": "retinanet", "head_conv": 2})"), Contains("head_convs"));
  CHECK_THAT(refused(R"({"family": "mask_rcnn", "nms_threshold": 1.5})"), Contains("nms_threshold"));
  CHECK_THAT(refused(R"({"family": "mask_rcnn", "anchor_ratios": []})"), Contains("anchor_ratios"));
  const auto config = parse_model_config(R"({"family": "mask_rcnn", "num_classes": 7})", "m.json");
  CHECK(parse_model_config(model_config_json(config), "again") == config);
  CHECK(num_classes(config) == 7);
  CHECK(in_channels(config) == 3);
}

}  // namespace
}  // namespace retentive::models
