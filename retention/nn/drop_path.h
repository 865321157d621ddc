#pragma once

#include <torch/torch.h>

#include <retention/base/export.h>

namespace retentive::nn {

/// Stochastic depth: in training mode each sample's branch is dropped with probability `rate` and survivors are
/// divided by 1 - rate; the identity otherwise. No parameters.
class RETENTIVE_API DropPathImpl : public torch::nn::Module {
 public:
  explicit DropPathImpl(double rate);
  ~DropPathImpl() override;

  /// branch [B, ...] -> [B, ...].
  torch::Tensor forward(const torch::Tensor& branch);

  /// Factors of the samples of `branch`, [B, 1, ...]; undefined where forward is the identity.
  torch::Tensor mask(const torch::Tensor& branch) const;

  /// Draws from `generator` from now on; LibTorch's default CPU generator until this is called.
  void set_generator(const at::Generator& generator) { generator_ = generator; }
  at::Generator generator() const { return generator_; }
  double rate() const { return rate_; }

 private:
  double rate_;
  at::Generator generator_;
};
TORCH_MODULE(DropPath);

/// In training mode each element is dropped with probability `rate` and survivors are divided by 1 - rate; the
/// identity otherwise. No parameters.
class RETENTIVE_API DropoutImpl : public torch::nn::Module {
 public:
  explicit DropoutImpl(double rate);
  ~DropoutImpl() override;

  torch::Tensor forward(const torch::Tensor& x) const;

  /// As DropPath's.
  void set_generator(const at::Generator& generator) { generator_ = generator; }

 private:
  double rate_;
  at::Generator generator_;
};
TORCH_MODULE(Dropout);

}  // namespace retentive::nn
