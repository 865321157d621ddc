#include <algorithm>

#include <models/detail/detector_rows.h>

namespace retentive::models {
namespace {

using vision::MaskRcnnConfig;
using vision::RetinanetConfig;
using vision::RmtConfig;
using vision::VirConfig;

const std::string kPublished =
    "none are published as a plain download; mmdetection checkpoints of the RMT authors: retentive convert FILE.pth "
    "FILE.safetensors; or train one: docs/detection.md";
const std::string kTest = "none: random weights, for tests";

vision::Preprocessing coco_input() {
  vision::Preprocessing input;
  input.resize_shorter = 800;
  input.resize_longer = 1333;
  input.crop = {800, 1333};
  input.interpolation = vision::Interpolation::bilinear;
  return input;
}

vision::Preprocessing small_scene() {
  auto input = coco_input();
  input.resize_shorter = 256;
  input.resize_longer = 448;
  input.crop = {256, 320};
  return input;
}

RmtConfig headless(const std::vector<ModelRow>& rows, const std::string& name) {
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const ModelRow& each) { return each.name == name; });
  auto config = std::get<RmtConfig>(row->config);
  config.head = vision::RmtHead::none;
  return config;
}

RmtConfig nano_backbone() {
  RmtConfig config;
  config.embed_dims = {32, 64, 112, 160};
  config.depths = {1, 2, 4, 1};
  config.num_heads = {2, 2, 4, 5};
  config.decomposed = {true, true, true, false};
  config.head = vision::RmtHead::none;
  config.drop_path_rate = 0.05;
  return config;
}

MaskRcnnConfig mask_rcnn_nano() {
  MaskRcnnConfig config;
  config.backbone = nano_backbone();
  config.num_classes = 10;
  config.fpn_channels = 64;
  config.anchor_scale = 6;
  config.train_candidates_per_level = 500;
  config.candidates_per_level = 300;
  config.proposals = 200;
  config.rpn_samples = 128;
  config.roi_samples = 64;
  config.fc_dim = 256;
  config.mask_convs = 2;
  config.mask_channels = 64;
  return config;
}

RetinanetConfig test_retinanet(const RmtConfig& backbone) {
  RetinanetConfig config;
  config.backbone = backbone;
  config.num_classes = 3;
  config.fpn_channels = 16;
  config.head_convs = 1;
  config.candidates_per_level = 100;
  return config;
}

MaskRcnnConfig test_mask_rcnn(const vision::BackboneConfig& backbone) {
  MaskRcnnConfig config;
  config.backbone = backbone;
  config.num_classes = 3;
  config.fpn_channels = 16;
  config.anchor_scale = 4;
  config.train_candidates_per_level = 100;
  config.candidates_per_level = 50;
  config.proposals = 50;
  config.rpn_samples = 32;
  config.roi_samples = 32;
  config.box_pool = 3;
  config.fc_dim = 24;
  config.mask_pool = 4;
  config.mask_convs = 1;
  config.mask_channels = 12;
  return config;
}

ModelRow detector_row(const std::string& name, ModelConfig config, const vision::Preprocessing& input,
                      const std::string& description, const std::string& weights) {
  return {.name = name,
          .config = std::move(config),
          .preprocessing = input,
          .labels = "",
          .description = description,
          .published_top1 = std::nullopt,
          .weights_note = weights};
}

void add_published(std::vector<ModelRow>& list, const std::vector<ModelRow>& rows) {
  struct Size {
    const char* letter;
    double retinanet_ap;
    double mask_rcnn_ap;
  };
  for (const Size& size :
       {Size{"t", 45.1, 47.1}, Size{"s", 47.8, 49.0}, Size{"b", 49.1, 51.1}, Size{"l", 49.4, 51.6}}) {
    const auto backbone = "rmt_" + std::string(size.letter);
    const auto add = [&](const std::string& family, ModelConfig config, const std::string& description, double ap) {
      list.push_back(detector_row(family + "_" + backbone, std::move(config), coco_input(), description, kPublished));
      list.back().labels = "coco";
      list.back().published_ap = ap;
    };
    add("retinanet", RetinanetConfig{.backbone = headless(rows, backbone)}, "RetinaNet on " + backbone + ", boxes",
        size.retinanet_ap);
    add("mask_rcnn", MaskRcnnConfig{.backbone = headless(rows, backbone)}, "Mask R-CNN on " + backbone + ", masks",
        size.mask_rcnn_ap);
  }
}

}  // namespace

std::vector<ModelRow> detail::detector_rows(const std::vector<ModelRow>& rows) {
  std::vector<ModelRow> list;
  add_published(list, rows);
  list.push_back(detector_row("mask_rcnn_rmt_nano", mask_rcnn_nano(), small_scene(),
                              "small Mask R-CNN, trained on handwritten digits in photographs",
                              "ships with this repository: the model that detect uses without flags"));
  list.back().labels = "digits";
  const auto backbone = headless(rows, "test_rmt_backbone");
  VirConfig vir = std::get<VirConfig>(
      std::find_if(rows.begin(), rows.end(), [](const ModelRow& row) { return row.name == "test_vir"; })->config);
  vir.num_classes = 0;
  auto faster = test_mask_rcnn(backbone);
  faster.masks = false;
  list.push_back(detector_row("test_retinanet", test_retinanet(backbone), small_scene(), "tiny RetinaNet", kTest));
  list.push_back(detector_row("test_mask_rcnn", test_mask_rcnn(backbone), small_scene(), "tiny Mask R-CNN", kTest));
  list.push_back(detector_row("test_faster_rcnn", faster, small_scene(), "tiny Faster R-CNN", kTest));
  list.push_back(detector_row("test_mask_rcnn_vir", test_mask_rcnn(vir), small_scene(),
                              "tiny Mask R-CNN on a ViR's simple pyramid", kTest));
  return list;
}

}  // namespace retentive::models
