#pragma once

#include <string>

#include <retention/base/decay_mode.h>
#include <vision/spatial_mixer.h>

namespace retentive::vision {

/// Manhattan self-attention (RMT, section 3.2): every token attends to all others, or to those of its row and then of
/// its column, with a decay by Manhattan distance.
class RETENTIVE_API ManhattanAttentionImpl : public SpatialMixerImpl {
 public:
  ManhattanAttentionImpl(int64_t channels, int64_t num_heads, bool decomposed, DecayMode mode);
  ~ManhattanAttentionImpl() override;

 private:
  torch::Tensor mix(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                    const RelativePosition& position, double k_scale) const override;
  std::string name() const override { return decomposed_ ? "masa decomposed" : "masa full"; }
  std::string implementation(at::ScalarType type, std::string& reason) const override;

  bool decomposed_;
  DecayMode mode_;
};
TORCH_MODULE(ManhattanAttention);

}  // namespace retentive::vision
