#include <algorithm>
#include <array>

#include <models/detail/rounded_buffers.h>

namespace retentive::models {

bool detail::is_rounded_formula(std::string_view name, const torch::Tensor& file, const torch::Tensor& formula) {
  if (!name.ends_with(".angle") && !name.ends_with(".decay")) return false;
  if (!file.is_floating_point() || file.sizes() != formula.sizes()) return false;
  const auto values = file.to(at::kFloat);
  constexpr std::array<at::ScalarType, 2> kTypes = {at::kBFloat16, at::kHalf};
  return !values.equal(formula) && std::any_of(kTypes.begin(), kTypes.end(), [&](at::ScalarType type) {
    return values.equal(formula.to(type).to(at::kFloat));
  });
}

}  // namespace retentive::models
