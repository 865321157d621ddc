#pragma once

#include <memory>

#include <torch/torch.h>

#include <retention/base/export.h>
#include <retention/nn/frozen.h>
#include <retention/nn/inference.h>

namespace retentive::packed {
class Linear;
}

namespace retentive::nn {

/// A convolution whose stride is its kernel, as a linear map of square patches. Keys `weight` [out, in, p, p] and
/// `bias` [out].
class RETENTIVE_API PatchLinearImpl : public torch::nn::Module, public Preparable, public Frozen {
 public:
  PatchLinearImpl(int64_t in_channels, int64_t out_channels, int64_t patch);
  ~PatchLinearImpl() override;

  /// Patches [..., in * p * p], ordered as the weight is, -> [..., out]; float when prepared.
  torch::Tensor forward(const torch::Tensor& patches);

  /// PyTorch's default for convolutions.
  void initialize(at::Generator generator);

  /// Packs the weights in the precision of dense convolutions.
  void prepare(Preparation& preparation) override;
  void train(bool on = true) override;

  torch::Tensor weight;
  torch::Tensor bias;

 private:
  std::shared_ptr<const packed::Linear> packed_;
};
TORCH_MODULE(PatchLinear);

}  // namespace retentive::nn
