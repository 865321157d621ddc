#pragma once

#include <array>

#include <torch/torch.h>

#include <retention/base/export.h>
#include <retention/nn/patch_linear.h>

namespace retentive::vision {

/// Square patches of an image as tokens, row by row (key `proj`).
class RETENTIVE_API PatchEmbedImpl : public torch::nn::Module {
 public:
  PatchEmbedImpl(int64_t in_channels, int64_t dim, int64_t patch);
  ~PatchEmbedImpl() override;

  /// image [B, in, H, W] with zeros to the right and below, so that its sides are multiples of the patch.
  torch::Tensor pad(const torch::Tensor& image) const;

  /// Patches `begin` to `end` of a padded image: [B, end - begin, C].
  torch::Tensor forward(const torch::Tensor& padded, int64_t begin, int64_t end);

 private:
  int64_t patch_;
  nn::PatchLinear proj_{nullptr};
};
TORCH_MODULE(PatchEmbed);

}  // namespace retentive::vision
