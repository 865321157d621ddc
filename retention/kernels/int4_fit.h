#pragma once

#include <cmath>
#include <cstdint>

#include <retention/base/bfloat16.h>
#include <retention/base/parallel_for.h>
#include <retention/kernels/int4.h>
#include <retention/kernels/quantize.h>

namespace retentive::retention {
// Plain code, compiled for each instruction set as it is: the same bits everywhere.
namespace {

/// Where a code lies in a group of a panel: its byte and whether it is in the high half.
struct Int4Place {
  int64_t byte;
  bool high;
};

inline Int4Place int4_place(int64_t output, int64_t input) {
  const int64_t vector = output / 16 * 4 + input / 8, quad = input % 8;
  return {kInt4Panel * 2 + vector * 64 + output % 16 * 4 + quad % 4, quad >= 4};
}

/// Codes by level + 128.
struct Int4Codes {
  uint8_t of[256] = {};

  constexpr Int4Codes() {
    for (int code = 0; code < 16; ++code) of[kInt4Levels[code] + 128] = static_cast<uint8_t>(code);
  }
};
constexpr Int4Codes kInt4Codes;

/// A group of weights: levels[i] * scale each.
struct Int4Group {
  float scale = 0;
  float levels[kInt4Group] = {};
};

/// The levels nearest to weights / scale, then the best scale for those levels, as bfloat16; returns what that adds to
/// the squared error.
inline float int4_fit(const float (&weight)[kInt4Group], float scale, Int4Group& group) {
  constexpr int kSums = 16;  // vectors of any length serve
  const float inverse = 1 / scale;
  float ratios[kInt4Group], levels[kInt4Group];
  for (int64_t i = 0; i < kInt4Group; ++i) ratios[i] = weight[i] * inverse;
  for (int64_t i = 0; i < kInt4Group; ++i) levels[i] = kInt4Levels[0];
#pragma GCC unroll 15
  for (int code = 1; code < 16; ++code) {
    const float step = static_cast<float>(kInt4Levels[code] - kInt4Levels[code - 1]);
    const float border = static_cast<float>(kInt4Levels[code] + kInt4Levels[code - 1]) * 0.5f;
    for (int64_t i = 0; i < kInt4Group; ++i) levels[i] += ratios[i] >= border ? step : 0.0f;
  }
  float products[kSums] = {}, squares[kSums] = {};
  for (int64_t i = 0; i < kInt4Group; i += kSums) {
    for (int k = 0; k < kSums; ++k) products[k] += weight[i + k] * levels[i + k];
    for (int k = 0; k < kSums; ++k) squares[k] += levels[i + k] * levels[i + k];
  }
  for (int half = kSums / 2; half > 0; half /= 2) {
    for (int k = 0; k < half; ++k) products[k] += products[k + half];
    for (int k = 0; k < half; ++k) squares[k] += squares[k + half];
  }
  const float product = products[0], square = squares[0];
  __builtin_memcpy(group.levels, levels, sizeof(levels));
  group.scale = static_cast<float>(bfloat16(product / square));
  return group.scale * (group.scale * square - 2 * product);
}

inline Int4Group int4_quantised(const float (&weight)[kInt4Group]) {
  constexpr float factors[] = {0.8f, 0.88f, 0.96f, 1.04f};
  constexpr int refinements = 2;
  float largest = 0, sum = 0;
  for (const float value : weight) {
    largest = largest < std::fabs(value) ? std::fabs(value) : largest;
    sum += value * 0;
  }
  Int4Group best;
  if (sum != 0) best.scale = NAN;  // some value is not finite
  if (sum != 0 || largest < kSmallestQuantized) return best;
  float least = INFINITY;
  const auto consider = [&](float scale) {
    Int4Group group;
    const float error = int4_fit(weight, scale, group);
    if (!(error < least)) return;
    least = error;
    best = group;
  };
  for (const float factor : factors) {
    consider(factor * largest / 127);
    consider(-factor * largest / 127);
  }
  for (int i = 0; i < refinements && best.scale != 0; ++i) consider(best.scale);
  return best;
}

/// Group g of output o, at its place in the panels.
inline void int4_write(const Int4Weights& weights, const float* weight, int64_t o, int64_t g, uint8_t* values) {
  float padded[kInt4Group] = {};  // zeros add nothing: there is a level 0
  const float* const from = weight + o * weights.in + g * kInt4Group;
  const int64_t rest = weights.in - g * kInt4Group, count = rest < kInt4Group ? rest : kInt4Group;
  __builtin_memcpy(padded, from, count * sizeof(float));
  const Int4Group group = int4_quantised(padded);
  uint8_t* const to = values + (o / kInt4Panel * weights.groups() + g) * kInt4GroupBytes;
  const bfloat16 scale(group.scale);
  __builtin_memcpy(to + o % kInt4Panel * 2, &scale, sizeof(scale));
  for (int64_t i = 0; i < count; ++i) {
    const int code = kInt4Codes.of[static_cast<int>(group.levels[i]) + 128];
    const auto [byte, high] = int4_place(o % kInt4Panel, i);
    to[byte] |= static_cast<uint8_t>(high ? code << 4 : code);
  }
}

inline void int4_pack_all(const Int4Weights& weights, const float* weight, uint8_t* values, int threads) {
  const int64_t groups = weights.groups(), panel = groups * kInt4GroupBytes;
  parallel_for(weights.panels(), threads, [&](int64_t begin, int64_t end, int) {
    __builtin_memset(values + begin * panel, 0, (end - begin) * panel);
    for (int64_t o = begin * kInt4Panel; o < end * kInt4Panel && o < weights.out; ++o) {
      for (int64_t g = 0; g < groups; ++g) int4_write(weights, weight, o, g, values);
    }
  });
}

}  // namespace
}  // namespace retentive::retention
