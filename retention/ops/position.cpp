#include <ATen/ops/empty.h>

#include <retention/kernels/decay.h>
#include <retention/ops/position.h>

namespace retentive {

at::Tensor log_gamma_rmt(int64_t num_heads, double initial, double range) {
  auto log_gamma = at::empty({num_heads}, at::kFloat);
  retention::log_gamma_rmt(num_heads, static_cast<float>(initial), static_cast<float>(range),
                           log_gamma.data_ptr<float>());
  return log_gamma;
}

namespace {

template <class T>
at::Tensor filled(int64_t count, void (*fill)(int64_t, T*)) {
  auto values = at::empty({count}, c10::CppTypeToScalarType<T>::value);
  fill(count, values.template data_ptr<T>());
  return values;
}

}  // namespace

at::Tensor rotary_angles(int64_t head_dim) { return filled<float>(head_dim, retention::rotary_angles); }

at::Tensor rotary_angles_half_split(int64_t head_dim) {
  return filled<float>(head_dim, retention::rotary_angles_half_split);
}

at::Tensor log_gamma_retnet(int64_t num_heads, at::ScalarType type) {
  if (type == at::kDouble) return filled<double>(num_heads, retention::log_gamma_retnet<double>);
  return filled<float>(num_heads, retention::log_gamma_retnet<float>);
}

at::Tensor log_gamma_log_linspace(int64_t num_heads, at::ScalarType type) {
  if (type == at::kDouble) return filled<double>(num_heads, retention::log_gamma_log_linspace<double>);
  return filled<float>(num_heads, retention::log_gamma_log_linspace<float>);
}

}  // namespace retentive
