#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <torch/torch.h>

#include <datasets/row_reader.h>
#include <models/pipelines/detail/image_network.h>
#include <models/pipelines/options.h>
#include <vision/backbone.h>
#include <vision/structures.h>
#include <vision/vir.h>

namespace retentive::models {

/// A loaded vision network with its preprocessing: what the image pipelines share.
class ImageModel {
 public:
  /// Throws as Classifier::from_file() does; also ConfigError when nothing says how images are preprocessed.
  static ImageModel from_file(const std::filesystem::path& weights, const PipelineOptions& options);
  static ImageModel from_builtin(std::string_view model, const PipelineOptions& options);

  /// Decodes within the pixel limit. Throws DataError.
  vision::Image decode(const std::filesystem::path& path) const;

  /// Float32 [1, C, H, W] of one image; resized and cropped unless `keep_size`. Throws InvalidArgument.
  torch::Tensor prepare(const vision::Image& image, bool keep_size = false) const;

  /// Throws ConfigError unless the network can take a picture in bands of rows.
  void check_streams() const;
  /// Opens a picture for that; the pixel limit is for those that must be decoded whole. Throws DataError.
  datasets::OpenedRows open(const std::filesystem::path& path) const;
  /// Logits [1, V] of a picture at native size, in bands of rows; `name` stands for it in messages. Throws DataError
  /// for damaged rows, or rows so long that a band exceeds the pixel limit.
  torch::Tensor stream(vision::RowSource& rows, const std::string& name) const;

  vision::BackboneImpl& network() const { return *network_; }
  const ModelConfig& config() const { return *card_.config; }
  const ModelCard& card() const { return card_; }
  const vision::Preprocessing& preprocessing() const { return *card_.preprocessing; }
  const std::string& origin() const { return origin_; }
  int64_t threads() const { return threads_; }

 private:
  std::shared_ptr<vision::VirImpl> streamable() const;
  ImageModel(ImageNetwork network, const PipelineOptions& options);

  std::shared_ptr<vision::BackboneImpl> network_;
  ModelCard card_;
  std::string origin_;
  int64_t threads_;
  int64_t max_pixels_;
};

}  // namespace retentive::models
