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

at::Tensor rotary_angles(int64_t head_dim) {
  auto angle = at::empty({head_dim}, at::kFloat);
  retention::rotary_angles(head_dim, angle.data_ptr<float>());
  return angle;
}

}  // namespace retentive
