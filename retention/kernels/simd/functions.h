#pragma once

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// 2^x, relative error below 2e-7; 0 for x < -126 (-infinity too).
inline Floats exp2(Floats x) {
  // The clamp keeps the remainder finite for -infinity.
  const Floats bounded = max(x, broadcast(-200.0f));
  const Floats whole = round(bounded);
  const Floats rest = sub(bounded, whole);
  Floats p = broadcast(1.5403530e-4f);
  p = fmadd(p, rest, broadcast(1.3333558e-3f));
  p = fmadd(p, rest, broadcast(9.6181291e-3f));
  p = fmadd(p, rest, broadcast(5.5504109e-2f));
  p = fmadd(p, rest, broadcast(2.4022651e-1f));
  p = fmadd(p, rest, broadcast(6.9314718e-1f));
  p = fmadd(p, rest, broadcast(1.0f));
  return scale_by_power(p, whole);
}

constexpr float kLog2E = 1.44269504088896341f;

/// e^x through exp2.
inline Floats exp(Floats x) { return exp2(mul(x, broadcast(kLog2E))); }

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
