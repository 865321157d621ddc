#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include <retention/base/bfloat16.h>
#include <retention/base/parallel_for.h>
#include <retention/kernels/int4.h>
#include <retention/kernels/quantize.h>

namespace retentive::retention {

// Found by Lloyd's algorithm on groups of normal values, with scales as fitted below and one level held at 0. The error
// is 0.073 of the values' size; of evenly spaced levels 0.081, without a search of scales 0.095.
const int8_t kInt4Levels[16] = {-124, -92, -71, -54, -39, -26, -13, 0, 10, 21, 33, 47, 61, 79, 100, 127};

namespace {

// The nearest level of a value v by floor(2 v) + 256: levels are integers, so what parts them are halves.
constexpr auto kNearest = [] {
  constexpr int levels[16] = {-124, -92, -71, -54, -39, -26, -13, 0, 10, 21, 33, 47, 61, 79, 100, 127};
  std::array<uint8_t, 512> nearest{};
  int code = 0;
  for (int i = 0; i < 512; ++i) {
    while (code < 15 && i - 256 >= levels[code] + levels[code + 1]) ++code;
    nearest[i] = static_cast<uint8_t>(code);
  }
  return nearest;
}();

struct Group {
  float scale = 0;
  std::array<uint8_t, kInt4Group> codes{};
};

// Codes for a scale, then the best scale for those codes, as bfloat16; returns what that adds to the squared error.
float fit(const float* weight, int64_t count, float scale, Group& group) {
  const float twice = 2 / scale;
  float product = 0, square = 0;
  for (int64_t i = 0; i < count; ++i) {
    const float index = std::min(std::max(0.0f, weight[i] * twice + 256), 511.0f);
    const uint8_t code = kNearest[static_cast<int>(index)];
    const float level = kInt4Levels[code];
    group.codes[i] = code;
    product += weight[i] * level;
    square += level * level;
  }
  group.scale = static_cast<float>(bfloat16(product / square));
  return group.scale * (group.scale * square - 2 * product);
}

Group quantised(const float* weight, int64_t count) {
  constexpr float factors[] = {0.8f, 0.88f, 0.96f, 1.04f};
  constexpr int refinements = 2;
  float largest = 0, sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    largest = std::max(largest, std::abs(weight[i]));
    sum += weight[i] * 0;
  }
  Group best;
  if (sum != 0) best.scale = NAN;  // some value is not finite
  if (sum != 0 || largest < kSmallestQuantized) return best;
  float least = INFINITY;
  const auto consider = [&](float scale) {
    Group group;
    const float error = fit(weight, count, scale, group);
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

// Where a code lies in a group of a panel: its byte and whether it is in the high half.
struct Place {
  int64_t byte;
  bool high;
};

Place place(int64_t output, int64_t input) {
  const int64_t half = input % 8;
  const int64_t vector = output / 16 * 4 + input / 8;
  return {kInt4Panel * 2 + vector * 64 + output % 16 * 4 + half % 4, half >= 4};
}

}  // namespace

void int4_pack(const Int4Weights& weights, const float* weight, uint8_t* values, int threads) {
  const int64_t groups = weights.groups();
  parallel_for(weights.panels(), threads, [&](int64_t begin, int64_t end, int) {
    std::memset(values + begin * groups * kInt4GroupBytes, 0, (end - begin) * groups * kInt4GroupBytes);
    for (int64_t o = begin * kInt4Panel; o < std::min(end * kInt4Panel, weights.out); ++o) {
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t first = g * kInt4Group, count = std::min(kInt4Group, weights.in - first);
        const Group group = quantised(weight + o * weights.in + first, count);
        uint8_t* const to = values + (o / kInt4Panel * groups + g) * kInt4GroupBytes;
        const bfloat16 scale(group.scale);
        std::memcpy(to + o % kInt4Panel * 2, &scale, 2);
        for (int64_t i = 0; i < count; ++i) {
          const auto [byte, high] = place(o % kInt4Panel, i);
          to[byte] |= static_cast<uint8_t>(high ? group.codes[i] << 4 : group.codes[i]);
        }
      }
    }
  });
}

void int4_unpack(const Int4Weights& weights, float* weight) {
  const int64_t groups = weights.groups();
  for (int64_t o = 0; o < weights.out; ++o) {
    for (int64_t i = 0; i < weights.in; ++i) {
      const uint8_t* const from = weights.values + (o / kInt4Panel * groups + i / kInt4Group) * kInt4GroupBytes;
      bfloat16 scale;
      std::memcpy(&scale, from + o % kInt4Panel * 2, 2);
      const auto [byte, high] = place(o % kInt4Panel, i % kInt4Group);
      const int code = high ? from[byte] >> 4 : from[byte] & 15;
      weight[o * weights.in + i] = static_cast<float>(scale) * kInt4Levels[code];
    }
  }
}

int64_t int4_scratch(const Int4Problem& problem) { return problem.rows * problem.weights.groups() * (kInt4Group + 8); }

void int4_linear_reference(const Int4Problem& problem, const float* x, float* y) {
  const auto [in, out, values] = problem.weights;
  std::vector<float> weight(in * out);
  int4_unpack(problem.weights, weight.data());
  for (int64_t row = 0; row < problem.rows; ++row) {
    for (int64_t o = 0; o < out; ++o) {
      double sum = 0;
      for (int64_t i = 0; i < in; ++i) sum += static_cast<double>(x[row * in + i]) * weight[o * in + i];
      y[row * out + o] = static_cast<float>(sum);
    }
  }
}

namespace {

#define RETENTIVE_ROW(isa) {Isa::isa, isa::int4_linear_any},
constexpr Implementation<Int4Linear> kLinear[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW)};
#undef RETENTIVE_ROW

}  // namespace

Int4Linear int4_linear(std::vector<Declined>* declined) { return choose(kLinear, declined); }

}  // namespace retentive::retention
