#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <torch/torch.h>

#include <retention/base/export.h>
#include <vision/backbone.h>

namespace retentive::models {

/// Which tokens of the grid a token sees, and what counts as their distance.
enum class Reach {
  all,        ///< all; there is no decay
  manhattan,  ///< all: rows and columns between
  sequence,   ///< itself and those before it, row by row: tokens between
  rectangle,  ///< those neither below nor to the right of it: rows and columns between
};

/// How weights fade with distance in one stage.
struct DecayLaw {
  Reach reach = Reach::all;
  torch::Tensor log_gamma;  ///< [N]; undefined without decay
};

/// gamma^distance of every token of the grid from the one at (row, column), 0 where it is not seen: [N, h, w].
RETENTIVE_API torch::Tensor decay_map(const DecayLaw& law, int64_t height, int64_t width, int64_t row, int64_t column);

/// What the mixer of one block makes of one image, between its projections: each output is a sum of values with
/// weights. Tokens are those of the grid row by row, T in all, the class token among them if there is one, as the last.
struct TokenMixing {
  using Weights = std::function<torch::Tensor(int64_t row, int64_t column)>;

  torch::Tensor values;   ///< [T, N, D]
  torch::Tensor outputs;  ///< [T, N, D]
  Weights weights;        ///< with which the token at (row, column) takes up every value: [N, T]
  /// The factors of decomposed MaSA, empty elsewhere: those of the token's row [N, w] and of its column [N, h].
  Weights row_weights;
  Weights column_weights;
  bool is_signed = false;  ///< weights of retention; else they are positive
};

/// d outputs[token] / d values: as `mix` is linear in the values [1, T, N, D], the weights [N, T] of one token,
/// whatever it does with queries and keys.
torch::Tensor mixing_weights(const std::function<torch::Tensor(const torch::Tensor& values)>& mix,
                             const torch::Tensor& values, int64_t token);

/// Tokens of an image and the logits that come of them.
struct ClassEvidence {
  torch::Tensor features;  ///< [1, T, C], those of the grid first; a leaf with gradient
  torch::Tensor logits;    ///< [1, classes]
};

/// A backbone block by block, through its own modules. Stages and blocks count from 0; a ViR has one stage. Images are
/// [1, C, H, W]. The backbone must not be prepared.
class RETENTIVE_API BackboneProbe {
 public:
  virtual ~BackboneProbe();

  virtual int64_t stages() const = 0;
  virtual int64_t blocks(int64_t stage) const = 0;
  virtual vision::ShapeSpec grid(int64_t height, int64_t width, int64_t stage) const = 0;
  virtual DecayLaw decay(int64_t stage) const = 0;

  /// The tokens of the grid as a block leaves them, before any norm: [1, h, w, C].
  virtual torch::Tensor map_after(const torch::Tensor& image, int64_t stage, int64_t block) const = 0;

  /// Whether the mixers' outputs are sums of values with weights, as mixing() takes for granted.
  virtual bool mixes_by_weights() const = 0;
  virtual TokenMixing mixing(const torch::Tensor& image, int64_t stage, int64_t block) const = 0;

  /// The last block of the last stage whose tokens of the grid the classifier reads from; -1 if there is none.
  virtual int64_t last_class_block() const = 0;
  /// Logits from the tokens that a block, at most last_class_block() of the last stage, leaves.
  virtual ClassEvidence evidence(const torch::Tensor& image, int64_t stage, int64_t block) const = 0;
};

/// Throws Unsupported for a backbone that is neither an RMT nor a ViR.
RETENTIVE_API std::unique_ptr<BackboneProbe> probe_backbone(const std::shared_ptr<vision::BackboneImpl>& backbone);

/// For probe_backbone(): null for a backbone of another family.
std::unique_ptr<BackboneProbe> probe_rmt(const std::shared_ptr<vision::BackboneImpl>& backbone);
std::unique_ptr<BackboneProbe> probe_vir(const std::shared_ptr<vision::BackboneImpl>& backbone);

/// The submodule of that path, as in state_dict keys; null unless it is an M.
template <class M>
std::shared_ptr<M> part_of(torch::nn::Module& module, const std::string& path) {
  return std::dynamic_pointer_cast<M>(module.named_modules("", false)[path]);
}

}  // namespace retentive::models
