#include <string>

#include <torch/torch.h>

#include <retention/base/error.h>
#include <retention/ops/detail/masa_paths.h>
#include <retention/ops/detail/shape_text.h>
#include <retention/ops/masa.h>

namespace retentive {
namespace {

using at::Tensor;
using detail::MasaArguments;

void check_arguments(const std::string& op, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_gamma,
                     const Tensor& angle) {
  const auto fail = [&](const std::string& what) { throw InvalidArgument("[" + op + "] " + what); };
  if (q.dim() != 5 || q.numel() == 0) {
    fail("q is " + detail::shape_text(q) +
         "; a non-empty [B, H, W, N, D] is accepted; reshape the projection to heads");
  }
  if (k.sizes() != q.sizes() || v.sizes() != q.sizes()) {
    fail("q is " + detail::shape_text(q) + ", k is " + detail::shape_text(k) + ", v is " + detail::shape_text(v) +
         "; the three must have one shape");
  }
  if (!q.is_floating_point() || k.dtype() != q.dtype() || v.dtype() != q.dtype()) {
    fail("q, k, v have dtypes " + std::string(q.dtype().name()) + ", " + std::string(k.dtype().name()) + ", " +
         std::string(v.dtype().name()) + "; one floating dtype for all is accepted");
  }
  const auto heads = q.size(3);
  const auto dim = q.size(4);
  if (dim % 2 != 0) fail("head dim D is " + std::to_string(dim) + "; rotary pairs need an even D");
  if (log_gamma.dim() != 1 || log_gamma.size(0) != heads || log_gamma.scalar_type() != at::kFloat) {
    fail("log_gamma is " + detail::shape_text(log_gamma) + " " + std::string(log_gamma.dtype().name()) +
         " but q has N=" + std::to_string(heads) + " heads (q is " + detail::shape_text(q) + "); pass float32 [" +
         std::to_string(heads) + "]");
  }
  if (angle.dim() != 1 || angle.size(0) != dim || angle.scalar_type() != at::kFloat) {
    fail("angle is " + detail::shape_text(angle) + " " + std::string(angle.dtype().name()) +
         " but q has head dim D=" + std::to_string(dim) + "; pass float32 [" + std::to_string(dim) + "]");
  }
}

DecayMode parse_mode(std::string_view name) {
  if (const auto mode = enum_value<DecayMode>(name)) return *mode;
  throw InvalidArgument("[masa] decay_mode is \"" + std::string(name) + "\"; accepted: " + enum_choices<DecayMode>());
}

// One operator in its three registrations: composed for any backend, fast for the CPU, fast with its gradient there.
template <bool kDecomposed>
struct Masa {
  static constexpr const char* kName = kDecomposed ? "masa_decomposed" : "masa";

  static MasaArguments checked(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_gamma,
                               const Tensor& angle, double k_scale, std::string_view mode) {
    check_arguments(kName, q, k, v, log_gamma, angle);
    return {q, k, v, log_gamma, angle, k_scale, parse_mode(mode)};
  }

  static Tensor composed(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_gamma,
                         const Tensor& angle, double k_scale, std::string_view mode) {
    return detail::masa_composed(checked(q, k, v, log_gamma, angle, k_scale, mode), kDecomposed);
  }

  static Tensor cpu(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_gamma, const Tensor& angle,
                    double k_scale, std::string_view mode) {
    const auto arguments = checked(q, k, v, log_gamma, angle, k_scale, mode);
    const auto out = detail::masa_fast(arguments, kDecomposed);
    return out.defined() ? out : detail::masa_composed(arguments, kDecomposed);
  }

  static Tensor autograd(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_gamma,
                         const Tensor& angle, double k_scale, std::string_view mode) {
    const bool wants_grad = at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad());
    if (wants_grad) {
      return detail::masa_with_gradient(checked(q, k, v, log_gamma, angle, k_scale, mode), kDecomposed);
    }
    const at::AutoDispatchBelowAutograd below;
    return cpu(q, k, v, log_gamma, angle, k_scale, mode);
  }
};

constexpr const char* kArguments =
    "(Tensor q, Tensor k, Tensor v, Tensor log_gamma, Tensor angle, float k_scale, str decay_mode=\"release\") -> "
    "Tensor";

}  // namespace

TORCH_LIBRARY(retentive, m) {
  m.def((std::string("masa") + kArguments).c_str(),
        torch::dispatch(c10::DispatchKey::CompositeImplicitAutograd, Masa<false>::composed));
  m.def((std::string("masa_decomposed") + kArguments).c_str(),
        torch::dispatch(c10::DispatchKey::CompositeImplicitAutograd, Masa<true>::composed));
}

TORCH_LIBRARY_IMPL(retentive, CPU, m) {
  m.impl("masa", Masa<false>::cpu);
  m.impl("masa_decomposed", Masa<true>::cpu);
}

TORCH_LIBRARY_IMPL(retentive, AutogradCPU, m) {
  m.impl("masa", Masa<false>::autograd);
  m.impl("masa_decomposed", Masa<true>::autograd);
}

namespace {

using MasaSignature = Tensor(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, double,
                             c10::string_view);

c10::TypedOperatorHandle<MasaSignature> find_op(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<MasaSignature>();
}

}  // namespace

Tensor masa(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_gamma, const Tensor& angle,
            double k_scale, DecayMode mode) {
  static const auto op = find_op("retentive::masa");
  return op.call(q, k, v, log_gamma, angle, k_scale, enum_name(mode));
}

Tensor masa_decomposed(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_gamma, const Tensor& angle,
                       double k_scale, DecayMode mode) {
  static const auto op = find_op("retentive::masa_decomposed");
  return op.call(q, k, v, log_gamma, angle, k_scale, enum_name(mode));
}

}  // namespace retentive
