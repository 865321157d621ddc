#include <models/pipelines/detail/visual_model.h>

#include <algorithm>

#include <datasets/detection_transforms.h>
#include <datasets/image_io.h>
#include <datasets/transforms.h>
#include <models/registry.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

int64_t accepted(const char* name, int64_t value, int64_t most) {
  if (value >= 1 && value <= most) return value;
  throw InvalidArgument("[visualize] " + std::string(name) + " is " + std::to_string(value) + "; 1 to " +
                        std::to_string(most) + " is accepted for this model");
}

}  // namespace

Visualizer::Impl::Impl(ImageNetwork network, int64_t max_pixels)
    : network_(std::move(network)), max_pixels_(max_pixels) {
  for (auto& parameter : network_.module->parameters()) parameter.set_requires_grad(false);
  probe_ = probe_backbone(is_detector() ? as_detector(network_.module, network_.origin)->backbone()
                                        : as_backbone(network_.module, network_.origin));
  labels_ = class_names({}, network_.card, network_.origin, num_classes(config()));
}

vision::Image Visualizer::Impl::decode(const std::filesystem::path& path) const {
  return datasets::decode_image(path, {.max_pixels = max_pixels_});
}

vision::Image Visualizer::Impl::view(const vision::Image& image) const {
  datasets::check_image(image, "visualize");
  const auto channels = datasets::to_input_channels(image, preprocessing());
  if (!is_detector()) return datasets::to_rgb(datasets::resize_and_crop(channels, preprocessing()));
  const auto size = datasets::detection_size(image.height, image.width, preprocessing());
  return datasets::to_rgb(datasets::resize_bilinear(channels, size.height, size.width));
}

NetworkInput Visualizer::Impl::input(const vision::Image& image) const {
  datasets::check_image(image, "visualize");
  if (is_detector()) {
    auto made = datasets::detection_input(image, preprocessing(), vision::DetectorImpl::kSizeDivisor);
    const auto values = torch::from_blob(made.values.data(), {1, made.channels, made.height, made.width});
    return {values.clone(), made.resized.height, made.resized.width};
  }
  const auto& crop = preprocessing().crop;
  auto tensor = torch::empty({1, in_channels(config()), crop[0], crop[1]});
  datasets::evaluation_transform(image, preprocessing(), tensor.data_ptr<float>());
  return {tensor, crop[0], crop[1]};
}

std::string Visualizer::Impl::lack(VisualKind kind) const {
  switch (kind) {
    case VisualKind::decay:
      return probe_->decay(0).reach == Reach::all ? "mixes tokens by softmax attention, which has no decay" : "";
    case VisualKind::attention:
      return probe_->mixes_by_weights() ? "" : "norms what its retention heads give: these are no sums with weights";
    case VisualKind::grad_cam:
      if (is_detector()) return "is a detector, without a classifier of whole images";
      return labels_.empty() || probe_->last_class_block() < 0 ? "has no classifier that reads a map" : "";
    case VisualKind::detections:
      return is_detector() ? "" : "is no detector";
    case VisualKind::receptive_field:
    case VisualKind::features:
      break;
  }
  return "";
}

void Visualizer::Impl::require(VisualKind kind) const {
  const auto missing = lack(kind);
  if (missing.empty()) return;
  throw ConfigError("[visualize] " + std::string(enum_name(kind)) + ": " + network_.origin + " " + missing +
                    "; leave that kind out, or give other weights");
}

Spot Visualizer::Impl::find_spot(const NetworkInput& input, const Place& place, int64_t least_side) const {
  const auto grid_of = [&](int64_t stage) {
    return probe_->grid(input.tensor.size(2), input.tensor.size(3), stage - 1);
  };
  int64_t stage = probe_->stages();
  while (stage > 1 && std::min(grid_of(stage).height, grid_of(stage).width) < least_side) --stage;
  if (place.block && !place.stage && probe_->stages() > 1) {
    throw InvalidArgument("[visualize] block is " + std::to_string(*place.block) + " of no stage; give a stage, 1 to " +
                          std::to_string(probe_->stages()) + ", with it");
  }
  if (place.stage) stage = accepted("stage", *place.stage, probe_->stages());
  const auto grid = grid_of(stage);
  Spot spot{.stage = stage,
            .block = probe_->blocks(stage - 1),
            .row = input.view_height / 2 / grid.stride,
            .column = input.view_width / 2 / grid.stride,
            .height = grid.height,
            .width = grid.width,
            .stride = grid.stride};
  if (place.block) spot.block = accepted("block", *place.block, spot.block);
  if (!place.token) return spot;
  spot.row = (*place.token)[0];
  spot.column = (*place.token)[1];
  if (spot.row >= 0 && spot.row < grid.height && spot.column >= 0 && spot.column < grid.width) return spot;
  throw InvalidArgument("[visualize] token is " + std::to_string(spot.row) + "," + std::to_string(spot.column) +
                        ", but stage " + std::to_string(stage) + " has a grid of " + std::to_string(grid.height) +
                        " rows and " + std::to_string(grid.width) + " columns for this image; 0,0 to " +
                        std::to_string(grid.height - 1) + "," + std::to_string(grid.width - 1) + " is accepted");
}

void Visualizer::Impl::check(const Place& place) const {
  auto anywhere = place;
  if (is_detector()) anywhere.token.reset();  // grids depend on the image
  const auto& size = preprocessing().crop;
  find_spot({torch::empty({1, 1, size[0], size[1]}), size[0], size[1]}, anywhere);
}

}  // namespace retentive::models
