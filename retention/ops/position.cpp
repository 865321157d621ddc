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

template <class F>
at::Tensor filled(int64_t count, const F& fill) {
  auto values = at::empty({count}, at::kFloat);
  fill(count, values.data_ptr<float>());
  return values;
}

}  // namespace

at::Tensor rotary_angles(int64_t head_dim) { return filled(head_dim, retention::rotary_angles); }

at::Tensor rotary_angles_half_split(int64_t head_dim) { return filled(head_dim, retention::rotary_angles_half_split); }

at::Tensor log_gamma_retnet(int64_t num_heads) { return filled(num_heads, retention::log_gamma_retnet); }

at::Tensor log_gamma_log_linspace(int64_t num_heads) { return filled(num_heads, retention::log_gamma_log_linspace); }

}  // namespace retentive
