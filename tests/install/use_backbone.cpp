// Builds a registered backbone with seeded weights and takes its last feature map.
#include <cstdio>

#include <models/registry.h>

int main() {
  const auto model = retentive::models::build_backbone(retentive::models::find_model("rmt_t").config, 0);
  model->eval();
  int64_t count = 0;
  for (const auto& parameter : model->parameters()) count += parameter.numel();
  std::printf("rmt_t %lld parameters\n", static_cast<long long>(count));

  const torch::NoGradGuard no_grad;
  const auto map = model->forward_intermediates(torch::zeros({1, 3, 64, 96}), {3}).front();  // [1, C, h, w]
  std::printf("stage4");
  for (const auto size : map.sizes()) std::printf(" %lld", static_cast<long long>(size));
  std::printf("\n");
  return map.isfinite().all().item<bool>() ? 0 : 1;
}
