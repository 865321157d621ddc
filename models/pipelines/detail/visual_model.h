#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <torch/torch.h>

#include <models/pipelines/detail/backbone_probe.h>
#include <models/pipelines/detail/image_network.h>
#include <models/pipelines/visualizer.h>

namespace retentive::models {

/// An image as a network's input; the view is its left top part, the rest padding.
struct NetworkInput {
  torch::Tensor tensor;  ///< [1, C, H, W]
  int64_t view_height = 0;
  int64_t view_width = 0;
};

/// What a Visualizer looks into: an unprepared network, and what it makes of images and places.
class Visualizer::Impl {
 public:
  Impl(ImageNetwork network, int64_t max_pixels);

  vision::Image decode(const std::filesystem::path& path) const;
  vision::Image view(const vision::Image& image) const;
  NetworkInput input(const vision::Image& image) const;

  /// Why the model does not have that kind, as the end of a sentence about it; empty if it does.
  std::string lack(VisualKind kind) const;
  void require(VisualKind kind) const;

  /// A grid is looked at unasked only if it has as many rows and columns.
  static constexpr int64_t kLegible = 12;

  /// The place in an image; a stage that is not given is the last whose grid is no smaller than `least_side`.
  Spot find_spot(const NetworkInput& input, const Place& place, int64_t least_side = kLegible) const;
  void check(const Place& place) const;

  const BackboneProbe& probe() const { return *probe_; }
  const ModelCard& card() const { return network_.card; }
  const std::vector<std::string>& labels() const { return labels_; }

 private:
  const ModelConfig& config() const { return *network_.card.config; }
  const vision::Preprocessing& preprocessing() const { return *network_.card.preprocessing; }
  bool is_detector() const { return kind_of(config()) == ModelKind::detector; }

  ImageNetwork network_;
  int64_t max_pixels_;
  std::unique_ptr<BackboneProbe> probe_;
  std::vector<std::string> labels_;
};

}  // namespace retentive::models
