#pragma once

#include <cstdint>

#include <torch/torch.h>

#include <models/state_dict.h>
#include <retention/base/export.h>

namespace retentive::models {

/// Exponential moving average of a model: every floating parameter and buffer; integer buffers are copied.
/// Update t = 0, 1, ... uses the decay d(t) = min(decay, (1 + t) / (10 + t)):  average = d average + (1 - d) value.
class RETENTIVE_API Ema {
 public:
  /// Starts as a copy of `model`. Throws ConfigError unless 0 < decay < 1.
  Ema(const torch::nn::Module& model, double decay);

  /// Takes in the present values of the model it was made from, or of one just like it.
  void update(const torch::nn::Module& model);

  /// Writes the average over the parameters and buffers of `model`.
  void copy_to(torch::nn::Module& model) const;

  /// The decay that update number `count` (from 0) uses.
  double decay_at(int64_t count) const;

  int64_t updates() const { return updates_; }
  const NamedTensors& tensors() const { return average_; }

  /// Takes back saved averages. Throws CheckpointError when a name is missing or a shape differs.
  void restore(const NamedTensors& tensors, int64_t updates);

 private:
  NamedTensors average_;
  double decay_;
  int64_t updates_ = 0;
};

}  // namespace retentive::models
