#include <retention/ops/masa.h>
#include <vision/masa.h>

namespace retentive::vision {

ManhattanAttentionImpl::ManhattanAttentionImpl(int64_t channels, int64_t num_heads, bool decomposed, DecayMode mode)
    : SpatialMixerImpl(channels, num_heads), decomposed_(decomposed), mode_(mode) {}

ManhattanAttentionImpl::~ManhattanAttentionImpl() = default;

torch::Tensor ManhattanAttentionImpl::mix(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                                          const RelativePosition& position, double k_scale) const {
  const auto attend = decomposed_ ? &masa_decomposed : &masa;
  return attend(q, k, v, position->decay, position->angle, k_scale, mode_);
}

std::string ManhattanAttentionImpl::implementation(at::ScalarType type, std::string& reason) const {
  return masa_implementation(type, reason);
}

}  // namespace retentive::vision
