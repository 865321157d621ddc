#include <algorithm>
#include <cstdlib>
#include <string>

#include <retention/base/cpu_isa.h>
#include <retention/base/error.h>

namespace retentive {
namespace {

Isa capped_isa() {
  const char* cap = std::getenv("RETENTIVE_ISA");
  if (cap == nullptr || *cap == '\0') return detected_isa();
  if (const auto isa = enum_value<Isa>(cap)) return std::min(*isa, detected_isa());
  throw ConfigError("[cpu] the environment variable RETENTIVE_ISA is \"" + std::string(cap) +
                    "\"; accepted: " + enum_choices<Isa>() + "; unset it to use all that the processor has");
}

}  // namespace

Isa detected_isa() {
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (!avx2) return Isa::portable;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512vnni");
  if (!avx512) return Isa::avx2;
  return __builtin_cpu_supports("avx512bf16") ? Isa::avx512_bf16 : Isa::avx512;
#else
  return Isa::portable;
#endif
}

Isa cpu_isa() {
  static const Isa isa = capped_isa();
  return isa;
}

}  // namespace retentive
