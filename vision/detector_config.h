#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include <retention/base/export.h>
#include <vision/rmt_config.h>
#include <vision/vir_config.h>

namespace retentive::vision {

/// Architecture of the backbone inside a detector.
using BackboneConfig = std::variant<RmtConfig, VirConfig>;

/// Architecture of one RetinaNet (Lin et al., 2017); defaults are RetinaNet on RMT-T for COCO, as the RMT paper trains
/// it. The pyramid has five levels: those of the backbone's stages from `first_stage` on and two above.
struct RetinanetConfig {
  BackboneConfig backbone = RmtConfig{.head = RmtHead::none};
  int64_t num_classes = 80;
  int64_t first_stage = 1;
  int64_t fpn_channels = 256;
  int64_t head_convs = 4;
  double anchor_scale = 4;
  int64_t scales_per_octave = 3;
  std::vector<double> anchor_ratios = {0.5, 1, 2};
  int64_t candidates_per_level = 1000;
  double score_threshold = 0.05;
  double nms_threshold = 0.5;
  int64_t max_detections = 100;

  /// Calls f(name, field, help) for every field; the one list that reading, writing and help use.
  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("backbone", self.backbone, "an rmt without head, or a vir, with its `family`");
    f("num_classes", self.num_classes, "classes of objects");
    f("first_stage", self.first_stage, "first backbone stage (0-based) of the pyramid");
    f("fpn_channels", self.fpn_channels, "channels of the pyramid and of the head");
    f("head_convs", self.head_convs, "3x3 convolutions in front of each of the two outputs");
    f("anchor_scale", self.anchor_scale, "side of the smallest anchor of a level, in strides");
    f("scales_per_octave", self.scales_per_octave, "anchor sizes from a level to the next");
    f("anchor_ratios", self.anchor_ratios, "height / width of the anchors");
    f("candidates_per_level", self.candidates_per_level, "best anchors of each level that are decoded");
    f("score_threshold", self.score_threshold, "least score of a detection");
    f("nms_threshold", self.nms_threshold, "intersection over union from which the weaker of two boxes goes");
    f("max_detections", self.max_detections, "most detections of an image");
  }

  /// Throws ConfigError naming the first field whose value no RetinaNet can have.
  RETENTIVE_API void validate() const;

  bool operator==(const RetinanetConfig&) const = default;
};

/// Architecture of one Mask R-CNN (He et al., 2017), or Faster R-CNN when `masks` is off; defaults are Mask R-CNN on
/// RMT-T for COCO. The pyramid has five levels: the four stages of the backbone and one above.
struct MaskRcnnConfig {
  BackboneConfig backbone = RmtConfig{.head = RmtHead::none};
  int64_t num_classes = 80;
  bool masks = true;
  int64_t fpn_channels = 256;
  double anchor_scale = 8;
  std::vector<double> anchor_ratios = {0.5, 1, 2};
  int64_t train_candidates_per_level = 2000;
  int64_t candidates_per_level = 1000;
  int64_t proposals = 1000;
  double proposal_nms_threshold = 0.7;
  int64_t rpn_samples = 256;
  int64_t roi_samples = 512;
  int64_t box_pool = 7;
  int64_t fc_dim = 1024;
  int64_t mask_pool = 14;
  int64_t mask_convs = 4;
  int64_t mask_channels = 256;
  double score_threshold = 0.05;
  double nms_threshold = 0.5;
  int64_t max_detections = 100;
  double mask_threshold = 0.5;

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("backbone", self.backbone, "an rmt without head, or a vir, with its `family`");
    f("num_classes", self.num_classes, "classes of objects");
    f("masks", self.masks, "predict a mask for each box; false = Faster R-CNN");
    f("fpn_channels", self.fpn_channels, "channels of the pyramid");
    f("anchor_scale", self.anchor_scale, "side of the anchors of a level, in strides");
    f("anchor_ratios", self.anchor_ratios, "height / width of the anchors");
    f("train_candidates_per_level", self.train_candidates_per_level, "training: best anchors of each level");
    f("candidates_per_level", self.candidates_per_level, "best anchors of each level that are decoded");
    f("proposals", self.proposals, "most proposals of an image");
    f("proposal_nms_threshold", self.proposal_nms_threshold, "as nms_threshold, among the proposals of a level");
    f("rpn_samples", self.rpn_samples, "training: anchors of an image in the proposal losses, half of them positive");
    f("roi_samples", self.roi_samples, "training: proposals of an image in the box losses, a quarter of them positive");
    f("box_pool", self.box_pool, "side of the pooled map of the box head");
    f("fc_dim", self.fc_dim, "width of the box head");
    f("mask_pool", self.mask_pool, "side of the pooled map of the mask head; masks are twice as large");
    f("mask_convs", self.mask_convs, "3x3 convolutions of the mask head");
    f("mask_channels", self.mask_channels, "channels of the mask head");
    f("score_threshold", self.score_threshold, "least score of a detection");
    f("nms_threshold", self.nms_threshold, "intersection over union from which the weaker of two boxes goes");
    f("max_detections", self.max_detections, "most detections of an image");
    f("mask_threshold", self.mask_threshold, "probability from which a pixel belongs to the mask");
  }

  /// Throws ConfigError naming the first field whose value no Mask R-CNN can have.
  RETENTIVE_API void validate() const;

  bool operator==(const MaskRcnnConfig&) const = default;
};

}  // namespace retentive::vision
