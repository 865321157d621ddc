#pragma once

#include <array>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <torch/torch.h>

#include <retention/base/export.h>
#include <retention/base/form.h>
#include <retention/base/retention_cost.h>
#include <retention/nn/sequence.h>
#include <vision/backbone.h>
#include <vision/grid_positions.h>
#include <vision/patch_embed.h>
#include <vision/vir_block.h>
#include <vision/vir_config.h>

namespace retentive::vision {

/// How one call runs through the tokens of an image. The result is the same in every form.
struct VirCall {
  Form form = Form::auto_;
  int64_t chunk = 0;  ///< tokens of a chunk in the chunkwise form, see VirImpl::chunk_of()
};

/// What a ViR remembers of the first tokens of one image. With 1-D decay its size depends on the model alone (D^2
/// values per head and block), with 2-D decay on the image's width too (columns x D^2), and never on the height.
struct VirState {
  std::vector<nn::LayerState> blocks;  ///< one each
  int64_t height = 0;                  ///< pixels of the whole image
  int64_t width = 0;
  int64_t position = 0;  ///< tokens seen
  torch::Tensor pooled;  ///< [1, C], what the classifier reads as far as it is known; undefined before
};

/// What a block receives of an image.
struct VirBlockInput {
  torch::Tensor tokens;  ///< [B, N + 1, C], the class token last
  VirContext context;
};

/// ViR (Hatamizadeh et al., 2023): a ViT whose tokens are mixed by causal retention, which runs in parallel, recurrent
/// or chunkwise form on the same weights; or, with mixer attention, a ViT. Tokens are the patches row by row, with
/// their positions, then the class token without one. Parameter names are those of the authors' review-time code;
/// `fc_norm` takes the place of `norm` when the patches are averaged, as in timm.
///
/// The recurrent and chunkwise forms of a model in evaluation mode, without gradients or prepared, take each chunk
/// through all blocks before the next one: memory for activations does not grow with the image.
class RETENTIVE_API VirImpl : public BackboneImpl, public nn::Preparable {
 public:
  /// Throws ConfigError when the configuration is not a possible ViR.
  explicit VirImpl(const VirConfig& config);
  ~VirImpl() override;

  /// As set_call() says. Throws Unsupported for a form that the model does not have (softmax: parallel only).
  torch::Tensor forward(const torch::Tensor& image) override { return forward(image, call_); }
  torch::Tensor forward(const torch::Tensor& image, const VirCall& call);
  torch::Tensor forward_pooled(const torch::Tensor& image) override { return forward_pooled(image, call_); }
  torch::Tensor forward_pooled(const torch::Tensor& image, const VirCall& call);

  /// All tokens after the final norm, the class token last: [B, N + 1, C]. With pool "avg" there is no final norm.
  torch::Tensor forward_tokens(const torch::Tensor& image) { return forward_tokens(image, call_); }
  torch::Tensor forward_tokens(const torch::Tensor& image, const VirCall& call);

  /// The patch tokens of forward_tokens() as a map [B, C, h, w].
  torch::Tensor forward_features(const torch::Tensor& image) override;
  /// From the tokens of forward_tokens() [B, N + 1, C]; with pool "avg" also from a map [B, C, h, w]. Throws
  /// InvalidArgument for a map when the classifier reads the class token, which a map does not hold.
  torch::Tensor forward_head(const torch::Tensor& features, bool pre_logits = false) override;
  /// Indices are those of blocks; maps hold patch tokens, before the final norm.
  std::vector<torch::Tensor> forward_intermediates(const torch::Tensor& image, const std::vector<int64_t>& indices,
                                                   Layout layout = Layout::nchw) override;

  /// Of one pass through all blocks: the maps of forward_intermediates() and the vector of forward_pooled().
  std::pair<std::vector<torch::Tensor>, torch::Tensor> forward_intermediates_and_pooled(
      const torch::Tensor& image, const std::vector<int64_t>& indices, Layout layout = Layout::nchw);

  /// What block `block`, from 0, receives; with the number of blocks, what the last one gives. Throws InvalidArgument
  /// for other numbers.
  VirBlockInput forward_to_block(const torch::Tensor& image, int64_t block);

  /// What forward() and all others without a call of their own do from now on.
  void set_call(const VirCall& call);
  const VirCall& call() const { return call_; }
  /// The form that runs for that many tokens: `form` itself, or what `auto_` stands for. Throws Unsupported as forward.
  Form resolve(Form form, int64_t tokens) const;
  /// Tokens of a chunk on a grid of that many columns: what the call says, by default 512, with 2-D decay 256; with 2-D
  /// decay rounded up to whole rows.
  int64_t chunk_of(const VirCall& call, int64_t columns) const;
  /// Patches and the class token of an image.
  int64_t tokens(int64_t height, int64_t width) const;

  /// One block a map: "block1", "block2", ...
  std::vector<FeatureInfo> feature_info() const override;
  std::vector<ShapeSpec> output_shape(int64_t height, int64_t width) const override;
  int64_t macs(int64_t height, int64_t width) const override { return macs(height, width, call_); }
  int64_t macs(int64_t height, int64_t width, const VirCall& call) const;
  int64_t useful_macs(int64_t height, int64_t width) const override;
  int64_t size_divisibility() const override { return 1; }
  void reset_classifier(int64_t num_classes, at::Generator generator) override;
  void initialize(at::Generator generator) override;
  int64_t layer_of(const std::string& parameter_name) const override;
  int64_t num_layers() const override { return config_.depth + 2; }
  /// Neither to the position table and the class token.
  bool is_decayed(const std::string& name, const torch::Tensor& parameter) const override;
  void set_grad_checkpointing(bool enabled) override { grad_checkpointing_ = enabled; }
  void prepare(nn::Preparation& preparation) override;

  const VirConfig& config() const { return config_; }

 private:
  /// The tokens of one batch of images, before they are computed.
  struct Sequence {
    torch::Tensor image;  ///< padded to whole patches
    GridPositions positions;
    int64_t width = 1;    ///< columns of the grid
    int64_t patches = 0;  ///< N
    int64_t first = 0;    ///< the patch that `image` begins with
    Form form = Form::parallel;
    int64_t chunk = 0;
    bool chunks_outermost = false;
    torch::Tensor log_gamma;
  };
  using Sink = std::function<void(const torch::Tensor& tokens, int64_t begin)>;

  friend class VirStream;

  int64_t count_macs(int64_t height, int64_t width, const VirCall& call, MaskedProducts masked) const;
  Sequence sequence_of(const torch::Tensor& image, const VirCall& call) const;
  Sequence sequence_of(int64_t height, int64_t width, at::ScalarType type, const VirCall& call) const;
  torch::Tensor embed(const Sequence& sequence, int64_t begin, int64_t end);
  VirContext context_of(const Sequence& sequence, int64_t begin, int64_t end) const;
  torch::Tensor run_block(size_t block, const torch::Tensor& x, const VirContext& context, nn::LayerState* state);
  torch::Tensor run(torch::Tensor x, const VirContext& context, VirState* state);
  void run_all(const Sequence& sequence, const Sink& sink);
  std::vector<torch::Tensor> maps_of(const torch::Tensor& image, const std::vector<int64_t>& indices, Layout layout,
                                     torch::Tensor* pooled);
  void gather(torch::Tensor& pooled, const torch::Tensor& tokens, int64_t begin, int64_t patches) const;
  torch::Tensor norm_pooled(const torch::Tensor& pooled, int64_t patches);
  torch::Tensor classify(const torch::Tensor& pooled);

  VirConfig config_;
  VirCall call_;
  bool grad_checkpointing_ = false;
  bool prepared_ = false;
  torch::Tensor log_gamma_;  // [N] float64; constants that checkpoints do not hold
  torch::Tensor cls_token_;
  torch::Tensor pos_embed_;
  PatchEmbed patch_embed_{nullptr};
  std::vector<VirBlock> blocks_;
  nn::LayerNorm norm_{nullptr};
  nn::LayerNorm fc_norm_{nullptr};
  nn::Linear head_{nullptr};
};
TORCH_MODULE(Vir);

}  // namespace retentive::vision
