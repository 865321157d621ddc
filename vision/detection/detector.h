#pragma once

#include <memory>
#include <string>
#include <vector>

#include <torch/torch.h>

#include <retention/base/export.h>
#include <vision/backbone.h>
#include <vision/detection/neck.h>
#include <vision/detection/structures.h>
#include <vision/detector_config.h>

namespace retentive::vision {

/// What every detector offers to trainers and pipelines: a backbone, a pyramid, and heads. Images are float
/// [B, C, H, W], already normalised and padded with zeros on the right and below; of each, `extents` is the part that
/// holds the image. Keys `backbone.*`, `neck.*` and those of the heads, as in mmdetection's checkpoints.
class RETENTIVE_API DetectorImpl : public torch::nn::Module {
 public:
  ~DetectorImpl() override;

  /// The terms of the training loss of a batch. Throws InvalidArgument when numbers or shapes do not fit.
  Losses losses(const torch::Tensor& images, const std::vector<ImageExtent>& extents,
                const std::vector<DetectionTarget>& targets);

  /// What is in each image. Throws InvalidArgument when numbers or shapes do not fit.
  std::vector<DetectedObjects> detect(const torch::Tensor& images, const std::vector<ImageExtent>& extents);

  /// The feature pyramid that the heads read: [B, h, w, C], fine to coarse.
  std::vector<torch::Tensor> forward_pyramid(const torch::Tensor& images);

  virtual int64_t num_classes() const = 0;
  /// Whether detections and targets have masks.
  virtual bool has_masks() const = 0;
  /// Probability from which a pixel belongs to a mask.
  virtual double mask_threshold() const { return 0.5; }

  /// Fills every parameter and buffer as published: backbone as its own publication says, heads as mmdetection does.
  void initialize(at::Generator generator);
  /// Source of random draws in training: stochastic depth and sampling.
  virtual void set_generator(const at::Generator& generator);
  void set_grad_checkpointing(bool enabled) { backbone_->set_grad_checkpointing(enabled); }

  /// Trainable parameters: those of the backbone in its own groups, learning `backbone_scale` times as fast, and the
  /// rest by whether they are decayed.
  std::vector<ParameterGroup> parameter_groups(double layer_decay, double backbone_scale) const;

  /// The first `layers` layers of the backbone (BackboneImpl::layer_of) learn nothing from now on, and their batch
  /// norms keep their statistics.
  void freeze_layers(int64_t layers);
  /// The batch norms of the backbone keep their statistics and learn nothing from now on.
  void freeze_norms();
  void train(bool on = true) override;

  const std::shared_ptr<BackboneImpl>& backbone() const { return backbone_; }

  /// Input sides are padded to multiples of this.
  static constexpr int64_t kSizeDivisor = 32;

 protected:
  /// Registers a backbone and a neck on its stages from `first_stage` on.
  DetectorImpl(const BackboneConfig& backbone, int64_t first_stage, int64_t channels, TopLevels top);

  virtual Losses head_losses(const std::vector<torch::Tensor>& pyramid, const std::vector<ImageExtent>& extents,
                             const std::vector<DetectionTarget>& targets) = 0;
  virtual std::vector<DetectedObjects> head_detect(const std::vector<torch::Tensor>& pyramid,
                                                   const std::vector<ImageExtent>& extents) = 0;
  virtual void initialize_heads(at::Generator generator) = 0;

  const NeckImpl& neck() const { return *neck_; }

 private:
  void check(const torch::Tensor& images, const std::vector<ImageExtent>& extents) const;
  void freeze_norms_of(int64_t layers);

  std::shared_ptr<BackboneImpl> backbone_;
  std::vector<int64_t> stages_;
  std::shared_ptr<NeckImpl> neck_;
  std::vector<nn::BatchNormImpl*> frozen_norms_;  // parts of the backbone
};

}  // namespace retentive::vision
