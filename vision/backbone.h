#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <torch/torch.h>

#include <retention/base/export.h>

namespace retentive::vision {

/// One feature map that a backbone can give, known before anything runs.
struct FeatureInfo {
  std::string name;  ///< "stage1", "stage2", ...
  int64_t channels = 0;
  int64_t reduction = 1;  ///< input pixels per feature pixel
};

/// Size of one feature map for a given input.
struct ShapeSpec {
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;
  int64_t stride = 1;
};

/// Memory and dimension order of feature maps: [B, C, H, W] or [B, H, W, C].
enum class Layout { nchw, nhwc };

/// Parameters that share one learning-rate scale and one weight-decay rule.
struct ParameterGroup {
  std::vector<std::string> names;
  std::vector<torch::Tensor> parameters;
  double lr_scale = 1.0;
  bool weight_decay = true;
};

/// What every vision backbone offers to classifiers, detectors, trainers and pipelines.
/// Images are float [B, C, H, W], already normalised; any H, W >= 1.
class RETENTIVE_API BackboneImpl : public torch::nn::Module {
 public:
  ~BackboneImpl() override;

  /// Class logits [B, num_classes]. Throws StateError when the model has no head.
  virtual torch::Tensor forward(const torch::Tensor& image);

  /// The vector that the classifier reads: [B, P]. Throws StateError when the model has no head.
  virtual torch::Tensor forward_pooled(const torch::Tensor& image);

  /// The last feature map, before any head: [B, C, h, w].
  virtual torch::Tensor forward_features(const torch::Tensor& image) = 0;

  /// Logits from the last feature map, or the pooled vector before the classifier when `pre_logits`. A model whose
  /// classifier reads more than the map (a class token) says in its own documentation what it takes here.
  virtual torch::Tensor forward_head(const torch::Tensor& features, bool pre_logits = false) = 0;

  /// Feature maps of the stages named by `indices` (0-based, ascending), computing nothing after the last of them. They
  /// are maps of feature_info(), as they stand before a final norm.
  virtual std::vector<torch::Tensor> forward_intermediates(const torch::Tensor& image,
                                                           const std::vector<int64_t>& indices,
                                                           Layout layout = Layout::nchw) = 0;

  /// Every feature map there is, in order.
  virtual std::vector<FeatureInfo> feature_info() const = 0;

  /// Feature map sizes for an input of `height` x `width`.
  virtual std::vector<ShapeSpec> output_shape(int64_t height, int64_t width) const = 0;

  /// Multiply-accumulates of one forward pass of one `height` x `width` image: convolutions, linear maps and attention
  /// products, those among them that a causal mask makes 0, as tables of models count.
  virtual int64_t macs(int64_t height, int64_t width) const = 0;

  /// `macs` without masked products: the work of which shares of a processor's peak are taken.
  virtual int64_t useful_macs(int64_t height, int64_t width) const { return macs(height, width); }

  /// Input sides need to be multiples of this; 1 = any size works.
  virtual int64_t size_divisibility() const = 0;

  /// Replaces the classifier by a freshly initialised one of `num_classes` outputs; 0 removes it (forward then
  /// returns the pooled vector).
  virtual void reset_classifier(int64_t num_classes, at::Generator generator) = 0;

  /// Fills every parameter and buffer as the model's publication says. Until this or a checkpoint load, they are
  /// uninitialised memory.
  virtual void initialize(at::Generator generator) = 0;

  /// Learning-rate depth of a parameter: 0 for the stem up to `num_layers() - 1` for the head.
  virtual int64_t layer_of(const std::string& parameter_name) const = 0;
  virtual int64_t num_layers() const = 0;

  /// Whether weight decay applies to a parameter: not to one-dimensional ones and biases.
  virtual bool is_decayed(const std::string& name, const torch::Tensor& parameter) const;

  /// Trainable parameters grouped by (layer, is_decayed). lr_scale = layer_decay^(num_layers - 1 - layer).
  std::vector<ParameterGroup> parameter_groups(double layer_decay = 1.0) const;

  /// Source of randomness for stochastic depth in training mode.
  void set_generator(const at::Generator& generator);

  /// Trades compute for memory in training: block activations are recomputed in the backward pass.
  virtual void set_grad_checkpointing(bool enabled) = 0;
};

}  // namespace retentive::vision
