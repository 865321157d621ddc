#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <datasets/heatmap.h>
#include <retention/base/enum_names.h>
#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::models {

using datasets::FloatMap;

/// What there is to see of a model; detections are a Detector's to find.
enum class VisualKind { decay, attention, receptive_field, grad_cam, features, detections };

struct VisualizerOptions {
  std::string model;                ///< registry name of a weights file that does not say what it is
  int64_t max_pixels = 64'000'000;  ///< images with more pixels are refused before any decoding
};

/// Where to look. Stages and blocks count from 1; a ViR has one stage.
struct Place {
  std::optional<int64_t> stage;  ///< default: the last with at least twelve rows and columns, else 1
  std::optional<int64_t> block;  ///< of the stage, which must be given where there are several; default: its last
  std::optional<std::array<int64_t, 2>> token;  ///< row and column of the stage's grid; default: the picture's middle
};

/// A place in a model as an image finds it.
struct Spot {
  int64_t stage = 1;
  int64_t block = 1;
  int64_t row = 0;
  int64_t column = 0;
  int64_t height = 1;  ///< of the grid
  int64_t width = 1;
  int64_t stride = 1;  ///< pixels of the network's input to a side of a token
};

/// How one head forgets with distance.
struct HeadDecay {
  double gamma = 0;
  double half_distance = 0;  ///< tokens at which gamma^distance is 1/2
  FloatMap map;              ///< gamma^distance from the token, 0 where it does not look
};

struct DecayMaps {
  Spot spot;
  std::string distance;  ///< what counts as distance, in words
  std::vector<HeadDecay> heads;
};

/// With which weights one head of one token takes up the values of the grid's tokens.
struct HeadWeights {
  FloatMap map;
  FloatMap row;       ///< decomposed MaSA: within the token's row [1, w]; empty elsewhere
  FloatMap column;    ///< decomposed MaSA: within the token's column [h, 1]; empty elsewhere
  float largest = 0;  ///< magnitude in `map`
};

struct AttentionMaps {
  Spot spot;
  bool is_signed = false;  ///< weights of retention; else they are shares of 1
  std::vector<HeadWeights> heads;
};

/// A map that belongs to one place.
struct SpotMap {
  Spot spot;
  FloatMap map;
};

struct ClassMap {
  Spot spot;
  int64_t index = 0;  ///< of the class
  std::string label;
  double probability = 0;
  FloatMap map;  ///< 0 and more
};

struct FeatureColours {
  Spot spot;
  std::array<FloatMap, 3> components;  ///< scores of the first three principal components
  std::array<double, 3> shares{};      ///< of the variance
};

/// Looks into an image model: RMT, ViR or ViT, alone or inside of a detector. It runs as it is trained, in fp32 and
/// with gradients, by one thread at a time.
class RETENTIVE_API Visualizer {
 public:
  /// Throws as Classifier::from_file() does, but takes detectors and models without classifier too.
  static Visualizer from_file(const std::filesystem::path& weights, const VisualizerOptions& options = {});
  /// The registered model of that name with the weights that are built in. Throws as Classifier::from_name() does.
  static Visualizer from_name(const std::string& name, const VisualizerOptions& options = {});

  Visualizer(Visualizer&&) noexcept;
  Visualizer& operator=(Visualizer&&) noexcept;
  ~Visualizer();

  /// What the model has, in the order of the enumeration.
  std::vector<VisualKind> kinds() const;
  /// Throws ConfigError saying why the model does not have that kind; nothing if it does.
  void require(VisualKind kind) const;
  /// Throws InvalidArgument for a place that the model does not have, as far as that does not depend on the image.
  void check(const Place& place) const;
  /// The class of that label, or else index. Throws ConfigError naming the nearest label.
  int64_t find_class(const std::string& label_or_index) const;

  /// Throws DataError for a file that is no image.
  vision::Image decode(const std::filesystem::path& path) const;
  /// The image as the network sees it, resized and cropped, RGB; without the padding of a detector's input.
  vision::Image view(const vision::Image& image) const;

  // All throw InvalidArgument for an empty image or a place that the model does not have for its size, naming what it
  // has, ConfigError as require(), and Unsupported where the model's mixer allows no such map.

  DecayMaps decay(const vision::Image& image, const Place& place = {}) const;
  AttentionMaps attention(const vision::Image& image, const Place& place = {}) const;
  /// |gradient| of the sum of the token's features by the pixels of view(), over all its channels.
  SpotMap receptive_field(const vision::Image& image, const Place& place = {}) const;
  /// Grad-CAM of a class, by default the likeliest, by default at the last stage with at least four rows and columns;
  /// no later than at the last block whose map the classifier reads from.
  ClassMap grad_cam(const vision::Image& image, std::optional<int64_t> class_index = std::nullopt,
                    const Place& place = {}) const;
  FeatureColours features(const vision::Image& image, const Place& place = {}) const;

  const std::string& model_name() const;
  /// Name of every class; "class <index>" where the model has no names.
  const std::vector<std::string>& labels() const;

 private:
  class Impl;
  explicit Visualizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace retentive::models

template <>
struct retentive::EnumNames<retentive::models::VisualKind> {
  using Kind = retentive::models::VisualKind;
  static constexpr std::array<std::pair<Kind, std::string_view>, 6> table = {
      {{Kind::decay, "decay"},
       {Kind::attention, "attention"},
       {Kind::receptive_field, "receptive-field"},
       {Kind::grad_cam, "grad-cam"},
       {Kind::features, "features"},
       {Kind::detections, "detections"}}};
};
