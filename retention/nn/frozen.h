#pragma once

#include <torch/torch.h>

#include <retention/base/export.h>

namespace retentive::nn {

/// State of a leaf whose parameters have gone into packed weights, its own or those of a group.
class RETENTIVE_API Frozen {
 public:
  virtual ~Frozen();
  bool frozen() const { return frozen_; }

  /// Releases the memory of all parameters of `leaf` and remembers it.
  void freeze(torch::nn::Module& leaf);

  /// Throws StateError naming the way out when `training` is asked of a frozen leaf.
  void check_train(bool training) const;
  /// Throws StateError when `x` wants a gradient.
  void check_no_grad(const torch::Tensor& x) const;

 private:
  bool frozen_ = false;
};

}  // namespace retentive::nn
