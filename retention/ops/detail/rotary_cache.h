#pragma once

#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include <retention/kernels/masa_layout.h>

namespace retentive::detail {

/// Rotary tables by flat token index, [tokens, D/2] each.
struct RotaryTables {
  std::vector<float> angle;
  int64_t tokens = 0;
  std::vector<float> sin, cos;

  retention::MasaTables view() const { return {sin.data(), cos.data()}; }
};

/// Tables of at least `tokens` tokens for `angle` [D]; the latest few are kept, shared among threads.
std::shared_ptr<const RotaryTables> rotary_tables(const at::Tensor& angle, int64_t tokens);

}  // namespace retentive::detail
