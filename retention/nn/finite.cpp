#include <cmath>

#include <retention/base/error.h>
#include <retention/nn/finite.h>

namespace retentive::nn {
namespace {

std::string position_text(const torch::Tensor& tensor, int64_t place) {
  std::string text;
  for (auto size = tensor.sizes().rbegin(); size != tensor.sizes().rend(); ++size) {
    text.insert(0, (text.empty() ? "" : ", ")).insert(0, std::to_string(place % *size));
    place /= *size;
  }
  return "[" + text + "]";
}

void check(const std::string& name, const torch::Tensor& tensor, const std::string& where) {
  const auto place = first_not_finite(tensor);
  if (place < 0) return;
  const auto value = tensor.detach().flatten()[place].item<double>();
  throw CheckpointError("[" + where + "] " + name + " holds " + std::to_string(value) + " at " +
                        position_text(tensor, place) +
                        "; weights must be finite numbers: the file is damaged or its training diverged, take another "
                        "(`retentive inspect FILE` lists such tensors)");
}

}  // namespace

int64_t first_not_finite(const torch::Tensor& values) {
  if (!values.defined() || values.numel() == 0 || !values.is_floating_point()) return -1;
  const torch::NoGradGuard no_grad;
  // One pass without a copy; NaN is both the least and the largest.
  const auto [least, largest] = at::aminmax(values.detach());
  if (std::isfinite(least.item<double>()) && std::isfinite(largest.item<double>())) return -1;
  return values.detach().isfinite().logical_not().flatten().to(at::kByte).argmax().item<int64_t>();
}

void check_finite_weights(const torch::nn::Module& model, const std::string& where) {
  for (const auto& item : model.named_parameters()) check(item.key(), item.value(), where);
  for (const auto& item : model.named_buffers()) check(item.key(), item.value(), where);
}

}  // namespace retentive::nn
