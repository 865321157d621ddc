// Both forms in one source: they share their tiles.
#include <retention/kernels/masa.h>
#include <retention/kernels/simd/masa_decomposed.h>
#include <retention/kernels/simd/masa_full.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {

void masa_full_f32(const MasaCall<float>& call) { full_of_size<FloatWords>(call); }

void masa_full_bf16(const MasaCall<bfloat16>& call) { full_of_size<WordsOfBfloat16>(call); }

void masa_decomposed_f32(const MasaCall<float>& call) { decomposed_of_size<FloatWords>(call); }

void masa_decomposed_bf16(const MasaCall<bfloat16>& call) { decomposed_of_size<WordsOfBfloat16>(call); }

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
