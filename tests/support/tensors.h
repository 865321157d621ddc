#pragma once

#include <string>
#include <vector>

#include <torch/torch.h>

#include <models/formats/safetensors.h>
#include <support/catch.h>
#include <support/close.h>
#include <support/fixture_file.h>

namespace retentive::testing {

/// max|a-b| / max(1, max|ref|) over tensors; infinite when shapes differ.
inline double deviation(const torch::Tensor& actual, const torch::Tensor& reference) {
  if (actual.sizes() != reference.sizes()) return INFINITY;
  if (reference.numel() == 0) return 0;
  const auto a = actual.detach().to(torch::kDouble), b = reference.detach().to(torch::kDouble);
  const double worst = (a - b).abs().max().item<double>();
  return std::isfinite(worst) ? worst / std::max(1.0, b.abs().max().item<double>()) : INFINITY;
}

/// Tensors of a safetensors fixture with its description.
class Fixture {
 public:
  explicit Fixture(const std::string& name)
      : file_(models::formats::SafetensorsFile::open(fixture_path(name + ".safetensors"))) {}

  bool has(const std::string& name) const { return file_.find(name) != nullptr; }

  torch::Tensor get(const std::string& name) const {
    const auto* view = file_.find(name);
    if (view == nullptr) throw std::runtime_error("fixture " + file_.name() + " has no tensor " + name);
    using models::formats::DType;
    const auto dtype = view->dtype == DType::i64   ? torch::kLong
                       : view->dtype == DType::f64 ? torch::kDouble
                                                   : torch::kFloat;
    auto tensor = torch::empty(view->shape, dtype);
    std::memcpy(tensor.data_ptr(), view->bytes.data(), view->bytes.size());
    return tensor;
  }

  /// Copies every parameter and buffer of `module` from `prefix` + its key; those in `optional` may be missing.
  void load_into(torch::nn::Module& module, const std::string& prefix,
                 const std::vector<std::string>& optional = {}) const {
    torch::NoGradGuard no_grad;
    const auto copy = [&](const std::string& key, torch::Tensor& target) {
      if (!has(prefix + key) && std::find(optional.begin(), optional.end(), key) != optional.end()) return;
      target.copy_(get(prefix + key));
    };
    for (auto& item : module.named_parameters()) copy(item.key(), item.value());
    for (auto& item : module.named_buffers()) copy(item.key(), item.value());
  }

  const std::vector<models::formats::TensorView>& tensors() const { return file_.tensors(); }

 private:
  models::formats::SafetensorsFile file_;
};

/// Random normal values from a seed of its own.
inline torch::Tensor random_tensor(at::IntArrayRef shape, uint64_t seed, at::ScalarType dtype = torch::kFloat) {
  return torch::randn(shape, at::make_generator<at::CPUGeneratorImpl>(seed), torch::TensorOptions().dtype(dtype));
}

}  // namespace retentive::testing
