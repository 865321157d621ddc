#pragma once

#include <torch/torch.h>

#include <retention/base/export.h>
#include <retention/nn/groups.h>
#include <retention/nn/linear.h>
#include <retention/nn/sequence.h>

namespace retentive::nn {

struct AttentionLayerOptions {
  int64_t dim = 0;        ///< C
  int64_t value_dim = 0;  ///< of all heads together
  int64_t num_heads = 0;
  RotaryStyle rotary = RotaryStyle::interleaved;
};

/// Causal softmax attention with rotary positions and a cache of keys and values: what retention is compared with.
/// Keys `q_proj`, `k_proj`, `v_proj`, `out_proj`; no biases. The form of the context is of no effect.
class RETENTIVE_API CausalAttentionImpl : public TokenMixerImpl, public Preparable {
 public:
  explicit CausalAttentionImpl(const AttentionLayerOptions& options);
  ~CausalAttentionImpl() override;

  /// Throws InvalidArgument for ranges with a state: caches hold sequences of one length.
  torch::Tensor forward(const torch::Tensor& x, const SequenceContext& context, LayerState* state,
                        const Epilogue& epilogue) override;
  void initialize(double residual_divisor, at::Generator generator) override;
  void prepare(Preparation& preparation) override;

 private:
  AttentionLayerOptions options_;
  Linear q_proj_{nullptr}, k_proj_{nullptr}, v_proj_{nullptr}, out_proj_{nullptr};
  ProjectionGroup projections_;
};
TORCH_MODULE(CausalAttention);

/// Whether `state` is a cache of such a layer: keys, values and their common length.
RETENTIVE_API bool is_attention_cache(const LayerState& state, int64_t rows, int64_t heads, int64_t key_dim,
                                      int64_t value_dim);
/// `state` without the room for tokens to come; other states as they are.
RETENTIVE_API LayerState without_spare_room(const LayerState& state);

}  // namespace retentive::nn
