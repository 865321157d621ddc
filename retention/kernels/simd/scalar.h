#pragma once

// The few functions of <algorithm> that kernels need, with internal linkage: the linker could take std::min or
// std::fill compiled here for every processor.

#include <cstdint>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

constexpr int64_t smaller(int64_t a, int64_t b) { return b < a ? b : a; }
constexpr int64_t larger(int64_t a, int64_t b) { return a < b ? b : a; }
constexpr float larger(float a, float b) { return a < b ? b : a; }
constexpr int64_t clamped(int64_t value, int64_t low, int64_t high) {
  return value < low ? low : high < value ? high : value;
}

inline void fill(float* begin, float* end, float value) {
  for (; begin < end; ++begin) *begin = value;
}

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
