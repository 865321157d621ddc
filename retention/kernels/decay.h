#pragma once

#include <cstdint>

#include <retention/base/export.h>

/// The only home of every decay rate, decay table and rotary table. All outputs are caller-allocated and row-major.
namespace retentive::retention {

/// RetNet: log gamma_h = ln(1 - 2^(-5-h)), h = 0..heads-1 (RetNet, section 2.1). gamma is rounded to float32 whatever T
/// is, so that results in float and double are those of one function. Output [heads].
template <class T>
void log_gamma_retnet(int64_t heads, T* log_gamma);

/// Log-spaced: gamma = 1 - exp(linspace(ln 1/32, ln 1/512, heads)), both ends included (the RetNet paper's
/// experiments; ViR's default). gamma is rounded to float32 as above. Output [heads].
template <class T>
void log_gamma_log_linspace(int64_t heads, T* log_gamma);

/// RMT: log gamma_n = ln(1 - 2^(-initial - range * n / heads)), evaluated in float32 as the official buffers are;
/// `range` is divided by `heads`, so the last head does not reach initial + range. Output [heads].
RETENTIVE_API void log_gamma_rmt(int64_t heads, float initial, float range, float* log_gamma);

/// Row sum of the causal decay at token n (from 0): sum of gamma^i for i = 0..n (RetNet, section 2.1), accurate for
/// every gamma; n + 1 at log_gamma = 0.
RETENTIVE_API double row_sum(double log_gamma, int64_t n);

/// gamma^n; 0 where float32 would be subnormal.
RETENTIVE_API float gamma_power(float log_gamma, int64_t n);

/// gamma^i for i = 0..count-1; 0 where float32 would be subnormal. Output [count].
RETENTIVE_API void gamma_powers(float log_gamma, int64_t count, float* powers);

/// Causal 1-D log-decay: (i - j) * log_gamma for j <= i, else -infinity. Output [length, length].
template <class T>
void causal_decay(int64_t length, float log_gamma, T* table);

/// Symmetric 1-D log-decay |i - j| * log_gamma. Output [length, length].
template <class T>
void symmetric_decay(int64_t length, float log_gamma, T* table);

/// Manhattan log-decay (|h-h'| + |w-w'|) * log_gamma over a raster grid (RMT, equation 4).
/// Output [height * width, height * width].
template <class T>
void manhattan_decay(int64_t height, int64_t width, float log_gamma, T* table);

/// Rotary angles theta_i = 10000^(-i / (dim/2 - 1)), exponents 0 to 1 inclusive, each written twice in a row for
/// the channels 2i and 2i+1; dim must be even and positive. Output [dim].
RETENTIVE_API void rotary_angles(int64_t dim, float* angle);

/// Rotary angles theta_i = 10000^(-2i / dim) of flash-linear-attention, written to channels i and i + dim/2 that they
/// turn together; dim must be even and positive. Output [dim].
RETENTIVE_API void rotary_angles_half_split(int64_t dim, float* angle);

/// sin and cos of position * angle for positions 0..length-1. The product is rounded to float32 first, as trained
/// weights expect, and the functions are then evaluated accurately. Outputs [length, dim] each.
template <class T>
void rotary_table(int64_t length, int64_t dim, const float* angle, T* sin, T* cos);

#define RETENTIVE_DECAY_TABLES(T)                                                     \
  extern template RETENTIVE_API void log_gamma_retnet<T>(int64_t, T*);                \
  extern template RETENTIVE_API void log_gamma_log_linspace<T>(int64_t, T*);          \
  extern template RETENTIVE_API void causal_decay<T>(int64_t, float, T*);             \
  extern template RETENTIVE_API void symmetric_decay<T>(int64_t, float, T*);          \
  extern template RETENTIVE_API void manhattan_decay<T>(int64_t, int64_t, float, T*); \
  extern template RETENTIVE_API void rotary_table<T>(int64_t, int64_t, const float*, T*, T*);
RETENTIVE_DECAY_TABLES(float)
RETENTIVE_DECAY_TABLES(double)
#undef RETENTIVE_DECAY_TABLES

}  // namespace retentive::retention
