#include <cmath>
#include <cstdlib>
#include <limits>

#include <retention/kernels/decay.h>

namespace retentive::retention {
namespace {

// Products with subnormal decays are slow and add nothing.
float without_subnormals(double power) {
  return power < std::numeric_limits<float>::min() ? 0.0f : static_cast<float>(power);
}

}  // namespace

double row_sum(double log_gamma, int64_t n) {
  const auto terms = static_cast<double>(n + 1);
  return log_gamma == 0 ? terms : std::expm1(terms * log_gamma) / std::expm1(log_gamma);
}

float gamma_power(float log_gamma, int64_t n) {
  return without_subnormals(std::exp(static_cast<double>(log_gamma) * static_cast<double>(n)));
}

void gamma_powers(float log_gamma, int64_t count, float* powers) {
  const double gamma = std::exp(static_cast<double>(log_gamma));
  double power = 1;
  for (int64_t i = 0; i < count; ++i, power *= gamma) powers[i] = without_subnormals(power);
}

template <class T>
void log_gamma_retnet(int64_t heads, T* log_gamma) {
  for (int64_t h = 0; h < heads; ++h) {
    log_gamma[h] = std::log(static_cast<T>(1.0f - std::exp2(-5.0f - static_cast<float>(h))));
  }
}

template <class T>
void log_gamma_log_linspace(int64_t heads, T* log_gamma) {
  const double first = std::log(1.0 / 32.0);
  const double last = std::log(1.0 / 512.0);
  const double step = heads > 1 ? (last - first) / static_cast<double>(heads - 1) : 0.0;
  for (int64_t h = 0; h < heads; ++h) {
    log_gamma[h] = std::log(static_cast<T>(1.0f - static_cast<float>(std::exp(first + step * static_cast<double>(h)))));
  }
}

void log_gamma_rmt(int64_t heads, float initial, float range, float* log_gamma) {
  for (int64_t n = 0; n < heads; ++n) {
    const float exponent = -initial - range * static_cast<float>(n) / static_cast<float>(heads);
    log_gamma[n] = std::log(1.0f - std::exp2(exponent));
  }
}

template <class T>
void causal_decay(int64_t length, float log_gamma, T* table) {
  for (int64_t i = 0; i < length; ++i) {
    for (int64_t j = 0; j < length; ++j) {
      table[i * length + j] =
          j <= i ? static_cast<T>(i - j) * static_cast<T>(log_gamma) : -std::numeric_limits<T>::infinity();
    }
  }
}

template <class T>
void symmetric_decay(int64_t length, float log_gamma, T* table) {
  for (int64_t i = 0; i < length; ++i) {
    for (int64_t j = 0; j < length; ++j) {
      table[i * length + j] = static_cast<T>(std::abs(i - j)) * static_cast<T>(log_gamma);
    }
  }
}

template <class T>
void manhattan_decay(int64_t height, int64_t width, float log_gamma, T* table) {
  for (int64_t h = 0; h < height; ++h) {
    for (int64_t w = 0; w < width; ++w) {
      for (int64_t key_h = 0; key_h < height; ++key_h) {
        for (int64_t key_w = 0; key_w < width; ++key_w) {
          const int64_t distance = std::abs(h - key_h) + std::abs(w - key_w);
          *table++ = static_cast<T>(distance) * static_cast<T>(log_gamma);
        }
      }
    }
  }
}

void rotary_angles(int64_t dim, float* angle) {
  const int64_t pairs = dim / 2;
  for (int64_t i = 0; i < pairs; ++i) {
    const double exponent = pairs > 1 ? static_cast<double>(i) / static_cast<double>(pairs - 1) : 0.0;
    angle[2 * i] = angle[2 * i + 1] = static_cast<float>(std::pow(10000.0, -exponent));
  }
}

void rotary_angles_half_split(int64_t dim, float* angle) {
  const int64_t pairs = dim / 2;
  for (int64_t i = 0; i < pairs; ++i) {
    const double exponent = static_cast<double>(i) / static_cast<double>(pairs);
    angle[i] = angle[i + pairs] = static_cast<float>(std::pow(10000.0, -exponent));
  }
}

template <class T>
void rotary_table(int64_t length, int64_t dim, const float* angle, T* sin, T* cos) {
  for (int64_t p = 0; p < length; ++p) {
    for (int64_t c = 0; c < dim; ++c) {
      const float phase = static_cast<float>(p) * angle[c];
      sin[p * dim + c] = static_cast<T>(std::sin(static_cast<double>(phase)));
      cos[p * dim + c] = static_cast<T>(std::cos(static_cast<double>(phase)));
    }
  }
}

#define RETENTIVE_DECAY_TABLES(T)                                \
  template void log_gamma_retnet<T>(int64_t, T*);                \
  template void log_gamma_log_linspace<T>(int64_t, T*);          \
  template void causal_decay<T>(int64_t, float, T*);             \
  template void symmetric_decay<T>(int64_t, float, T*);          \
  template void manhattan_decay<T>(int64_t, int64_t, float, T*); \
  template void rotary_table<T>(int64_t, int64_t, const float*, T*, T*);
RETENTIVE_DECAY_TABLES(float)
RETENTIVE_DECAY_TABLES(double)
#undef RETENTIVE_DECAY_TABLES

}  // namespace retentive::retention
