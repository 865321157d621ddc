#include <string>

#include <retention/base/error.h>
#include <vision/detector_config.h>

namespace retentive::vision {
namespace {

[[noreturn]] void refuse(const char* family, const std::string& what) {
  throw ConfigError("[" + std::string(family) + "] " + what);
}

void check_integer(const char* family, const char* name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return;
  refuse(family, std::string(name) + " is " + std::to_string(value) + "; " + std::to_string(least) + " to " +
                     std::to_string(most) + " is accepted");
}

void check_share(const char* family, const char* name, double value) {
  if (value >= 0 && value <= 1) return;
  refuse(family, std::string(name) + " is " + std::to_string(value) + "; 0 to 1 is accepted");
}

void check_anchors(const char* family, double scale, const std::vector<double>& ratios) {
  if (!(scale > 0 && scale <= 1024)) {
    refuse(family, "anchor_scale is " + std::to_string(scale) + "; more than 0, at most 1024 is accepted");
  }
  if (ratios.empty() || ratios.size() > 64) {
    refuse(family, "anchor_ratios has " + std::to_string(ratios.size()) + " entries; 1 to 64 are accepted");
  }
  for (const double ratio : ratios) {
    if (ratio >= 1e-3 && ratio <= 1e3) continue;
    refuse(family, "anchor_ratios holds " + std::to_string(ratio) + "; 0.001 to 1000 is accepted");
  }
}

void check_backbone(const char* family, const BackboneConfig& backbone) {
  std::visit([](const auto& config) { config.validate(); }, backbone);
  if (const auto* rmt = std::get_if<RmtConfig>(&backbone); rmt != nullptr && rmt->head != RmtHead::none) {
    refuse(family, "backbone.head is \"" + std::string(enum_name(rmt->head)) +
                       "\"; a detector reads the stages: set it to \"none\"");
  }
  if (const auto* vir = std::get_if<VirConfig>(&backbone); vir != nullptr && vir->num_classes != 0) {
    refuse(family, "backbone.num_classes is " + std::to_string(vir->num_classes) +
                       "; a detector reads the map of the last block: set it to 0");
  }
  if (const auto* vir = std::get_if<VirConfig>(&backbone); vir != nullptr && vir->patch_size % 4 != 0) {
    refuse(family, "backbone.patch_size is " + std::to_string(vir->patch_size) +
                       "; the finest level of the pyramid has a quarter of it: a multiple of 4 is accepted");
  }
}

}  // namespace

void RetinanetConfig::validate() const {
  constexpr const char* kFamily = "retinanet";
  check_backbone(kFamily, backbone);
  check_integer(kFamily, "num_classes", num_classes, 1, 100'000);
  check_integer(kFamily, "first_stage", first_stage, 0, 3);
  check_integer(kFamily, "fpn_channels", fpn_channels, 1, 1 << 16);
  check_integer(kFamily, "head_convs", head_convs, 0, 64);
  check_anchors(kFamily, anchor_scale, anchor_ratios);
  check_integer(kFamily, "scales_per_octave", scales_per_octave, 1, 64);
  check_integer(kFamily, "candidates_per_level", candidates_per_level, 1, 1'000'000);
  check_share(kFamily, "score_threshold", score_threshold);
  check_share(kFamily, "nms_threshold", nms_threshold);
  check_integer(kFamily, "max_detections", max_detections, 1, 1'000'000);
}

void MaskRcnnConfig::validate() const {
  constexpr const char* kFamily = "mask_rcnn";
  check_backbone(kFamily, backbone);
  check_integer(kFamily, "num_classes", num_classes, 1, 100'000);
  check_integer(kFamily, "fpn_channels", fpn_channels, 1, 1 << 16);
  check_anchors(kFamily, anchor_scale, anchor_ratios);
  check_integer(kFamily, "train_candidates_per_level", train_candidates_per_level, 1, 1'000'000);
  check_integer(kFamily, "candidates_per_level", candidates_per_level, 1, 1'000'000);
  check_integer(kFamily, "proposals", proposals, 1, 1'000'000);
  check_share(kFamily, "proposal_nms_threshold", proposal_nms_threshold);
  check_integer(kFamily, "rpn_samples", rpn_samples, 2, 1'000'000);
  check_integer(kFamily, "roi_samples", roi_samples, 4, 1'000'000);
  check_integer(kFamily, "box_pool", box_pool, 1, 256);
  check_integer(kFamily, "fc_dim", fc_dim, 1, 1 << 16);
  check_integer(kFamily, "mask_pool", mask_pool, 1, 256);
  check_integer(kFamily, "mask_convs", mask_convs, 0, 64);
  check_integer(kFamily, "mask_channels", mask_channels, 1, 1 << 16);
  check_share(kFamily, "score_threshold", score_threshold);
  check_share(kFamily, "nms_threshold", nms_threshold);
  check_integer(kFamily, "max_detections", max_detections, 1, 1'000'000);
  check_share(kFamily, "mask_threshold", mask_threshold);
}

}  // namespace retentive::vision
