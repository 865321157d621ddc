#pragma once

#include <array>
#include <string_view>
#include <utility>

#include <retention/base/enum_names.h>
#include <retention/base/export.h>

namespace retentive {

/// Instruction sets that kernels are compiled for, each including those before it. `portable` is plain C++.
/// avx2 stands for AVX2, FMA and F16C; avx512 for F, BW, DQ, VL and VNNI; avx512_bf16 adds bf16 dot products.
enum class Isa { portable, avx2, avx512, avx512_bf16 };

template <>
struct EnumNames<Isa> {
  static constexpr std::array<std::pair<Isa, std::string_view>, 4> table = {
      {{Isa::portable, "portable"}, {Isa::avx2, "avx2"}, {Isa::avx512, "avx512"}, {Isa::avx512_bf16, "avx512_bf16"}}};
};

/// What the processor and the operating system offer.
RETENTIVE_API Isa detected_isa();

/// The instruction set that kernels may use: the detected one, capped by the environment variable RETENTIVE_ISA.
/// Throws ConfigError when that names none.
RETENTIVE_API Isa cpu_isa();

}  // namespace retentive
