#pragma once

// Vectors of floats for the instruction set that a kernel source is compiled for (RETENTIVE_KERNEL_ISA names its
// namespace). Only per-ISA sources include this.

#include <cstdint>

#include <immintrin.h>

#include <retention/base/bfloat16.h>

#if defined(__AVX512F__)
#include <retention/kernels/simd/avx512.h>
#else
#include <retention/kernels/simd/avx2.h>
#endif
#include <retention/kernels/simd/functions.h>
#include <retention/kernels/simd/scalar.h>
