#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <vector>

#include <retention/kernels/masa_reference.h>

namespace retentive::retention {
namespace {

// Rotated copy of x [batch, height, width, heads, head_dim], scaled first.
template <class T>
std::vector<T> rotate(const MasaProblem& p, const T* x, double scale, const float* angle) {
  const int64_t tokens = p.height * p.width;
  std::vector<T> out(p.batch * tokens * p.heads * p.head_dim);
  for (int64_t b = 0; b < p.batch; ++b) {
    for (int64_t t = 0; t < tokens; ++t) {
      for (int64_t n = 0; n < p.heads; ++n) {
        const int64_t base = ((b * tokens + t) * p.heads + n) * p.head_dim;
        for (int64_t c = 0; c < p.head_dim; c += 2) {
          const double phase = static_cast<float>(t) * angle[c];
          const double even = x[base + c] * scale;
          const double odd = x[base + c + 1] * scale;
          out[base + c] = static_cast<T>(even * std::cos(phase) - odd * std::sin(phase));
          out[base + c + 1] = static_cast<T>(odd * std::cos(phase) + even * std::sin(phase));
        }
      }
    }
  }
  return out;
}

using Distance = std::function<int64_t(int64_t query, int64_t key)>;

// out_i = sum_j weight_ij v_j over the `count` tokens at start + i * stride (strides in tokens), for one batch and
// head.
template <class T>
void attend(const MasaProblem& p, int64_t head, double log_gamma, int64_t start, int64_t stride, int64_t count,
            const Distance& distance, const T* q, const T* k, const T* v, T* out) {
  const auto row = [&](int64_t i) { return ((start + i * stride) * p.heads + head) * p.head_dim; };
  std::vector<double> weights(count);
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t j = 0; j < count; ++j) {
      double score = 0;
      for (int64_t c = 0; c < p.head_dim; ++c) score += static_cast<double>(q[row(i) + c]) * k[row(j) + c];
      weights[j] = score + (p.decay_mode == DecayMode::release ? distance(i, j) * log_gamma : 0.0);
    }
    const double peak = *std::max_element(weights.begin(), weights.end());
    double sum = 0;
    for (double& w : weights) sum += (w = std::exp(w - peak));
    for (int64_t j = 0; j < count; ++j) {
      weights[j] /= sum;
      if (p.decay_mode == DecayMode::paper) weights[j] *= std::exp(distance(i, j) * log_gamma);
    }
    for (int64_t c = 0; c < p.head_dim; ++c) {
      double value = 0;
      for (int64_t j = 0; j < count; ++j) value += weights[j] * v[row(j) + c];
      out[row(i) + c] = static_cast<T>(value);
    }
  }
}

}  // namespace

template <class T>
void masa_reference(const MasaProblem& p, const T* q, const T* k, const T* v, const float* log_gamma,
                    const float* angle, T* out) {
  const std::vector<T> q_rotated = rotate(p, q, 1.0, angle);
  const std::vector<T> k_rotated = rotate(p, k, p.k_scale, angle);
  const int64_t tokens = p.height * p.width;
  const Distance manhattan = [&](int64_t i, int64_t j) {
    return std::abs(i / p.width - j / p.width) + std::abs(i % p.width - j % p.width);
  };
  for (int64_t b = 0; b < p.batch; ++b) {
    for (int64_t n = 0; n < p.heads; ++n) {
      attend(p, n, log_gamma[n], b * tokens, 1, tokens, manhattan, q_rotated.data(), k_rotated.data(), v, out);
    }
  }
}

template <class T>
void masa_decomposed_reference(const MasaProblem& p, const T* q, const T* k, const T* v, const float* log_gamma,
                               const float* angle, T* out) {
  const std::vector<T> q_rotated = rotate(p, q, 1.0, angle);
  const std::vector<T> k_rotated = rotate(p, k, p.k_scale, angle);
  std::vector<T> rows_done(q_rotated.size());
  const int64_t tokens = p.height * p.width;
  const Distance along_axis = [](int64_t i, int64_t j) { return std::abs(i - j); };
  for (int64_t b = 0; b < p.batch; ++b) {
    for (int64_t n = 0; n < p.heads; ++n) {
      for (int64_t h = 0; h < p.height; ++h) {
        attend(p, n, log_gamma[n], b * tokens + h * p.width, 1, p.width, along_axis, q_rotated.data(), k_rotated.data(),
               v, rows_done.data());
      }
      for (int64_t w = 0; w < p.width; ++w) {
        attend(p, n, log_gamma[n], b * tokens + w, p.width, p.height, along_axis, q_rotated.data(), k_rotated.data(),
               rows_done.data(), out);
      }
    }
  }
}

#define RETENTIVE_MASA_REFERENCE(T)                                                                                  \
  template void masa_reference<T>(const MasaProblem&, const T*, const T*, const T*, const float*, const float*, T*); \
  template void masa_decomposed_reference<T>(const MasaProblem&, const T*, const T*, const T*, const float*,         \
                                             const float*, T*);
RETENTIVE_MASA_REFERENCE(float)
RETENTIVE_MASA_REFERENCE(double)
#undef RETENTIVE_MASA_REFERENCE

}  // namespace retentive::retention
