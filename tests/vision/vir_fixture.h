#pragma once

#include <support/tensors.h>
#include <vision/vir.h>

namespace retentive::testing {

/// The configuration of a fixture of the tiny classifier.
inline vision::VirConfig test_vir_config() {
  vision::VirConfig config;
  config.image_size = {64, 64};
  config.dim = 24;
  config.depth = 3;
  config.num_heads = 3;
  config.num_classes = 10;
  config.layer_scale_init = 1e-5;
  return config;
}

/// A model with random weights of unit effect: layer scales of about 1 and norms that are not the identity.
inline vision::Vir lively_vir(const vision::VirConfig& config, uint64_t seed, at::ScalarType type = at::kFloat) {
  vision::Vir model(config);
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  model->initialize(generator);
  const torch::NoGradGuard no_grad;
  for (auto& item : model->named_parameters()) {
    auto& value = item.value();
    const bool factor = item.key().ends_with("gamma") || (value.dim() == 1 && item.key().ends_with("weight"));
    value.normal_(factor ? 1.0 : 0.0, factor ? 0.3 : 0.2, generator);
  }
  model->to(type);
  model->eval();
  return model;
}

}  // namespace retentive::testing
