#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <models/pipelines/classifier.h>
#include <models/pipelines/options.h>
#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::models {

struct DetectorOptions : PipelineOptions {
  /// Class names by index instead of those of the weights file; empty = those of the file.
  std::vector<std::string> labels;
  /// Detections of lower score are left out; those below the model's own threshold never appear.
  double score_threshold = 0.3;
  /// Only classes of these names; empty = all.
  std::vector<std::string> classes;
  /// Leaves EXIF-turned images as they are stored, for annotations that were made so.
  bool ignore_orientation = false;
};

/// The result of one input among several: detections or an error, never both.
struct ImageDetections {
  std::string path;
  int64_t height = 0;  ///< of the image
  int64_t width = 0;
  std::vector<vision::Detection> detections;  ///< best first
  std::optional<ItemError> error;
};

/// Images to boxes, classes, scores and, where the model has them, masks, with one loaded model. Const members may be
/// called from several threads at once.
class RETENTIVE_API Detector {
 public:
  /// Loads a safetensors or .pth file: architecture, preprocessing and class names come from it.
  /// Throws CheckpointError or Unsupported for a file that cannot be used, ConfigError for a model that is no detector,
  /// a file that does not say what it is, a model name that it contradicts, labels of another number or an unknown
  /// class, InvalidArgument and Unsupported for the options.
  static Detector from_file(const std::filesystem::path& weights, const DetectorOptions& options = {});

  /// The built-in model, which finds handwritten digits.
  static Detector from_default(const DetectorOptions& options = {});

  /// The registered model of that name with the weights that are built in. Throws ConfigError for an unknown name
  /// (naming the nearest) and, with the way to get weights, for a model whose weights are not.
  static Detector from_name(const std::string& name, const DetectorOptions& options = {});

  Detector(Detector&&) noexcept;
  Detector& operator=(Detector&&) noexcept;
  ~Detector();

  /// What is in one image, in its own pixels. Throws DataError for a file that is no image, InvalidArgument for an
  /// empty image.
  std::vector<vision::Detection> detect(const vision::Image& image) const;
  std::vector<vision::Detection> detect(const std::filesystem::path& path) const;

  /// Results in the order of the paths, handed over one by one together with the decoded image; an input that fails has
  /// an error in its place and an empty image. The next image is read and decoded meanwhile. `sink` is called from the
  /// calling thread. Ends early, between two images, once `stop` is true.
  void detect_each(std::span<const std::filesystem::path> paths,
                   const std::function<void(ImageDetections&&, const vision::Image&)>& sink,
                   const std::atomic<bool>* stop = nullptr) const;

  const std::string& model_name() const;
  /// Name of every class; "class <index>" where the model has no names.
  const std::vector<std::string>& labels() const;
  const vision::Preprocessing& preprocessing() const;
  bool has_masks() const;

 private:
  class Impl;
  explicit Detector(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace retentive::models
