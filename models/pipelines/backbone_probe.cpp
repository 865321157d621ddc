#include <models/pipelines/detail/backbone_probe.h>
#include <retention/base/error.h>

namespace retentive::models {

using torch::Tensor;

BackboneProbe::~BackboneProbe() = default;

Tensor decay_map(const DecayLaw& law, int64_t height, int64_t width, int64_t row, int64_t column) {
  const auto up = row - torch::arange(height, torch::kDouble).unsqueeze(1);  // [h, 1]
  const auto back = column - torch::arange(width, torch::kDouble);           // [w]
  auto distance = up.abs() + back.abs();                                     // [h, w]
  auto seen = torch::ones_like(distance, torch::kBool);
  if (law.reach == Reach::sequence) {
    distance = up * width + back;
    seen = distance >= 0;
  } else if (law.reach == Reach::rectangle) {
    seen = (up >= 0).logical_and(back >= 0);
  }
  const auto decay = torch::exp(law.log_gamma.to(torch::kDouble).view({-1, 1, 1}) * distance.clamp_min(0));
  return (decay * seen).to(torch::kFloat);  // [N, h, w]
}

Tensor mixing_weights(const std::function<Tensor(const Tensor& values)>& mix, const Tensor& values, int64_t token) {
  const torch::AutoGradMode with_gradients(true);
  const auto variable = values.detach().requires_grad_();
  const auto chosen = mix(variable).select(1, token).select(-1, 0).sum();     // one channel of every head
  const auto gradient = torch::autograd::grad({chosen}, {variable}).front();  // [1, T, N, D]
  return gradient.select(0, 0).select(-1, 0).t().contiguous();                // [N, T]
}

std::unique_ptr<BackboneProbe> probe_backbone(const std::shared_ptr<vision::BackboneImpl>& backbone) {
  if (auto probe = probe_rmt(backbone)) return probe;
  if (auto probe = probe_vir(backbone)) return probe;
  throw Unsupported("[visualize] the backbone is neither an RMT nor a ViR; give weights of one of them");
}

}  // namespace retentive::models
