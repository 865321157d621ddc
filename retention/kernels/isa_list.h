#pragma once

/// Expands X(isa) for every instruction set that kernels are compiled for, best first.
#define RETENTIVE_FOR_EACH_ISA(X) X(avx512_bf16) X(avx512) X(avx2)
