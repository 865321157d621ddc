#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <torch/torch.h>

namespace retentive::vision {

/// The part of a padded input that an image fills, from the left top.
struct ImageExtent {
  int64_t height = 0;
  int64_t width = 0;
};

/// What is to be found in one image, in pixels of the network's input.
struct DetectionTarget {
  torch::Tensor boxes;   ///< float [n, 4] as x0 y0 x1 y1
  torch::Tensor labels;  ///< int64 [n]
  torch::Tensor masks;   ///< uint8 [n, h, w], as boxes; undefined for detectors without masks
};

/// What was found in one image, best first, in pixels of the network's input.
struct DetectedObjects {
  torch::Tensor boxes;   ///< float [n, 4]
  torch::Tensor scores;  ///< float [n]
  torch::Tensor labels;  ///< int64 [n]
  torch::Tensor masks;   ///< float [n, m, m]: probabilities over each box; undefined for detectors without masks
};

/// Named terms of a training loss, scalars with their graph; the loss is their sum.
using Losses = std::vector<std::pair<std::string, torch::Tensor>>;

}  // namespace retentive::vision
