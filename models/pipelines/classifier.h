#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <models/pipelines/options.h>
#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::models {

struct ClassifierOptions : PipelineOptions {
  /// Class names by index instead of those of the weights file; empty = those of the file.
  std::vector<std::string> labels;
};

/// One class and how likely the model holds it to be.
struct Prediction {
  int64_t index = 0;
  std::string label;         ///< "class 17" where the model has no names
  double probability = 0.0;  ///< softmax over all classes, 0 to 1
};

/// Why one input of several has no result.
struct ItemError {
  std::string type;  ///< Error::kind() of the exception, for example "DataError"
  std::string message;
};

/// The result of one input among several: predictions or an error, never both.
struct Classification {
  std::string path;             ///< empty for images in memory
  std::vector<Prediction> top;  ///< most likely first; equal ones by index
  std::string whole;            ///< streaming: why the picture was decoded whole all the same; else empty
  std::optional<ItemError> error;
};

struct BatchOptions {
  int64_t top_k = 5;       ///< predictions per image, at most the number of classes
  int64_t batch_size = 8;  ///< images that go through the network together
  /// Images one by one at native size, without resize and crop, read and classified in bands of rows: memory does not
  /// grow with the height (datasets::open_rows says of which files). For ViRs with retention; max_pixels limits a band,
  /// and files that are decoded whole.
  bool stream = false;
};

/// Images to class probabilities with one loaded model. Const members may be called from several threads at once.
class RETENTIVE_API Classifier {
 public:
  /// Loads a safetensors or .pth file: architecture, preprocessing and class names come from it.
  /// Throws CheckpointError or Unsupported for a file that cannot be used, ConfigError for a model without classifier,
  /// a file that does not say what it is, a model name that it contradicts or labels of another number,
  /// InvalidArgument and Unsupported for the options.
  static Classifier from_file(const std::filesystem::path& weights, const ClassifierOptions& options = {});

  /// The built-in model, which recognises handwritten digits.
  static Classifier from_default(const ClassifierOptions& options = {});

  /// The registered model of that name with the weights that are built in. Throws ConfigError for an unknown name
  /// (naming the nearest) and, with the way to get weights, for a model whose weights are not.
  static Classifier from_name(const std::string& name, const ClassifierOptions& options = {});

  Classifier(Classifier&&) noexcept;
  Classifier& operator=(Classifier&&) noexcept;
  ~Classifier();

  /// The `top_k` most likely classes of one image. Throws DataError for a file that is no image, InvalidArgument for
  /// an empty image or top_k < 1.
  std::vector<Prediction> classify(const vision::Image& image, int64_t top_k = 5) const;
  std::vector<Prediction> classify(const std::filesystem::path& path, int64_t top_k = 5) const;

  /// Results in the order of the inputs; an input that fails has an error in its place. Throws InvalidArgument for the
  /// options, ConfigError to stream through a model that cannot.
  std::vector<Classification> classify(std::span<const vision::Image> images, const BatchOptions& options = {}) const;
  std::vector<Classification> classify(std::span<const std::filesystem::path> paths,
                                       const BatchOptions& options = {}) const;

  /// As classify(paths), but hands over each result, in order, when its batch is done; the next batch is read and
  /// decoded meanwhile. `sink` is called from the calling thread.
  void classify_each(std::span<const std::filesystem::path> paths, const BatchOptions& options,
                     const std::function<void(Classification&&)>& sink) const;

  const std::string& model_name() const;
  int64_t num_classes() const;
  /// Name of every class; "class <index>" where the model has no names.
  const std::vector<std::string>& labels() const;
  const vision::Preprocessing& preprocessing() const;

 private:
  class Impl;
  explicit Classifier(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace retentive::models
