#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <models/pipelines/options.h>
#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::models {

struct FeatureExtractorOptions : PipelineOptions {
  bool pooled = true;           ///< give the pooled vector
  std::vector<int64_t> stages;  ///< 0-based stages whose maps are given, ascending
  bool keep_size = false;       ///< feed the image as large as it is instead of resizing and cropping it
};

/// Numbers with a shape, row-major.
struct FeatureArray {
  std::string name;  ///< "pooled", "stage1", ...
  std::vector<int64_t> shape;
  std::vector<float> data;
};

struct Features {
  FeatureArray pooled;               ///< [C]; empty unless asked for
  std::vector<FeatureArray> stages;  ///< [C, h, w] each, as asked for
};

/// Images to the feature maps and the pooled vector of a backbone. Const members may be called from several threads at
/// once.
class RETENTIVE_API FeatureExtractor {
 public:
  /// Loads a safetensors or .pth file; throws as Classifier::from_file() does, InvalidArgument for stages that the
  /// model does not have. A model without head gives the mean of its last stage's map as pooled vector.
  static FeatureExtractor from_file(const std::filesystem::path& weights, const FeatureExtractorOptions& options = {});

  /// The built-in model.
  static FeatureExtractor from_default(const FeatureExtractorOptions& options = {});

  FeatureExtractor(FeatureExtractor&&) noexcept;
  FeatureExtractor& operator=(FeatureExtractor&&) noexcept;
  ~FeatureExtractor();

  /// Features of one image. Throws DataError for a file that is no image, InvalidArgument for an empty image.
  Features extract(const vision::Image& image) const;
  Features extract(const std::filesystem::path& path) const;

  const std::string& model_name() const;
  const vision::Preprocessing& preprocessing() const;

 private:
  class Impl;
  explicit FeatureExtractor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace retentive::models
