#include <algorithm>

#include <retention/base/cpu_isa.h>
#include <retention/base/error.h>
#include <retention/nn/finite.h>
#include <retention/nn/frozen.h>
#include <retention/nn/inference.h>

namespace retentive::nn {
namespace {

std::string reason_against(Precision precision) {
  const auto isa = cpu_isa();
  const auto have = " (kernels run on " + std::string(enum_name(isa)) + ")";
  if (precision == Precision::bf16 && isa < Isa::avx512_bf16) return "bf16 needs AVX512-BF16" + have;
  if (precision == Precision::int8 && isa < Isa::avx512) return "int8 needs AVX-512 VNNI" + have;
  if (precision == Precision::int4 && isa < Isa::avx2) return "int4 needs AVX2" + have;
  return {};
}

}  // namespace

Preparable::~Preparable() = default;

Preparation::Preparation(const InferenceOptions& options)
    : precision_(options.precision), fallback_reason_(reason_against(options.precision)) {
  if (!fallback_reason_.empty()) precision_ = Precision::fp32;
  // int4 products take float.
  const bool half = precision_ != Precision::fp32 && precision_ != Precision::int4 && cpu_isa() == Isa::avx512_bf16;
  activation_type_ = half ? at::kBFloat16 : at::kFloat;
  report_.requested = options.precision;
}

Precision Preparation::conv_precision() const {
  if (precision_ != Precision::int8 && precision_ != Precision::int4) return precision_;
  return activation_type_ == at::kBFloat16 ? Precision::bf16 : Precision::fp32;
}

void Preparation::report(const std::string& child, const std::string& operation, Precision precision,
                         const std::string& implementation, const std::string& reason) {
  const auto path = child.empty() || path_.empty() ? path_ + child : path_ + "." + child;
  report_.entries.push_back({path, operation, precision, implementation, reason.empty() ? fallback_reason_ : reason});
}

void Preparation::report_kernel(const std::string& operation) {
  const bool half = activation_type_ == at::kBFloat16;
  const auto isa = cpu_isa();
  const auto implementation = isa == Isa::portable ? std::string("ATen") : "kernel " + std::string(enum_name(isa));
  report("", operation, half ? Precision::bf16 : Precision::fp32, implementation,
         isa == Isa::portable ? "kernels need AVX2" : "");
}

InferenceReport prepare_inference(torch::nn::Module& model, const InferenceOptions& options) {
  if (model.is_training()) {
    throw StateError("[prepare_inference] the model is in training mode; call eval() on it first");
  }
  if (is_prepared(model)) {
    throw StateError("[prepare_inference] the model is prepared already; load it again to prepare it differently");
  }
  check_finite_weights(model, "prepare_inference");
  const torch::NoGradGuard no_grad;
  Preparation preparation(options);
  for (const auto& item : model.named_modules()) {
    preparation.enter(item.key());
    if (auto* part = dynamic_cast<Preparable*>(item.value().get())) part->prepare(preparation);
  }
  return preparation.take_report();
}

bool is_prepared(const torch::nn::Module& model) {
  const auto* leaf = dynamic_cast<const Frozen*>(&model);
  if (leaf != nullptr && leaf->frozen()) return true;
  const auto children = model.children();
  return std::any_of(children.begin(), children.end(), [](const auto& child) { return is_prepared(*child); });
}

}  // namespace retentive::nn
