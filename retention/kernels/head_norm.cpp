#include <algorithm>
#include <cmath>
#include <vector>

#include <retention/kernels/head_norm.h>
#include <retention/kernels/head_norm_plan.h>
#include <retention/kernels/implementation.h>

namespace retentive::retention {
namespace {

// 1 / sqrt(mean(x^2) + eps) of one head of one token.
double row_factor(const HeadNormProblem& p, const float* x, int64_t token, int64_t head) {
  double squares = 0;
  for (int64_t c = 0; c < p.dim; ++c) squares += static_cast<double>(x[c]) * x[c];
  const double eps = p.row_eps != nullptr ? p.row_eps[token * p.heads + head] : p.eps;
  return 1 / std::sqrt(squares / static_cast<double>(p.dim) + eps);
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

template <class F>
void for_each_row(const HeadNormProblem& p, F&& fn) {
  for (int64_t t = 0; t < p.tokens; ++t) {
    for (int64_t h = 0; h < p.heads; ++h) fn(t, h);
  }
}

}  // namespace

void head_norm_gate_reference(const HeadNormProblem& p, const float* x, const float* g, float* y) {
  for_each_row(p, [&](int64_t t, int64_t h) {
    const float* row = x + t * p.x_stride + h * p.dim;
    const double factor = row_factor(p, row, t, h);
    for (int64_t c = 0; c < p.dim; ++c) {
      double value = row[c] * factor;
      if (p.weight != nullptr) value *= p.weight[c];
      if (g != nullptr) {
        const double gate = g[t * p.g_stride + h * p.dim + c];
        value *= gate * sigmoid(gate);
      }
      y[t * p.y_stride + h * p.dim + c] = static_cast<float>(value);
    }
  });
}

void head_norm_gate_backward_reference(const HeadNormProblem& p, const float* x, const float* g, const float* dy,
                                       float* dx, float* dg, float* dweight) {
  std::vector<double> dweights(p.dim, 0), dnormal(p.dim);
  for_each_row(p, [&](int64_t t, int64_t h) {
    const int64_t at = t * p.x_stride + h * p.dim, gate_at = t * p.g_stride + h * p.dim;
    const double factor = row_factor(p, x + at, t, h);
    double mean = 0;
    for (int64_t c = 0; c < p.dim; ++c) {
      const double normal = x[at + c] * factor, weight = p.weight != nullptr ? p.weight[c] : 1;
      const double gate = g != nullptr ? g[gate_at + c] : 0, sigma = sigmoid(gate);
      const double silu = g != nullptr ? gate * sigma : 1;
      const double upstream = dy[t * p.y_stride + h * p.dim + c];
      if (g != nullptr) {
        dg[gate_at + c] = static_cast<float>(upstream * normal * weight * sigma * (1 + gate * (1 - sigma)));
      }
      dweights[c] += upstream * normal * silu;
      dnormal[c] = upstream * weight * silu;
      mean += dnormal[c] * normal / static_cast<double>(p.dim);
    }
    for (int64_t c = 0; c < p.dim; ++c) {
      dx[at + c] = static_cast<float>(factor * (dnormal[c] - x[at + c] * factor * mean));
    }
  });
  if (p.weight != nullptr) std::copy(dweights.begin(), dweights.end(), dweight);
}

namespace {

template <class G, class Y>
using Entry = void (*)(const HeadNormProblem&, const float*, const G*, Y*, int);

#define RETENTIVE_ROW(isa) {Isa::isa, isa::head_norm},
#define RETENTIVE_ROW_BACKWARD(isa) {Isa::isa, isa::head_norm_backward},
template <class G, class Y>
constexpr Implementation<Entry<G, Y>> kForward[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW)};
constexpr Implementation<decltype(&avx2::head_norm_backward)> kBackward[] = {
    RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW_BACKWARD)};
#undef RETENTIVE_ROW
#undef RETENTIVE_ROW_BACKWARD

}  // namespace

template <class G, class Y>
bool head_norm_gate(const HeadNormProblem& p, const float* x, const G* g, Y* y, int threads) {
  static const auto run = choose(kForward<G, Y>);
  if (run != nullptr) run(p, x, g, y, threads);
  return run != nullptr;
}

int64_t head_norm_gate_backward_workspace_bytes(const HeadNormProblem& p) {
  return kHeadNormParts * head_norm_part_floats(p.dim) * static_cast<int64_t>(sizeof(float));
}

bool head_norm_gate_backward(const HeadNormProblem& p, const float* x, const float* g, const float* dy, float* dx,
                             float* dg, float* dweight, void* workspace, int threads) {
  static const auto run = choose(kBackward);
  if (run != nullptr) run({p, x, g, dy, dx, dg, dweight, static_cast<float*>(workspace), threads});
  return run != nullptr;
}

#define RETENTIVE_HEAD_NORM(G, Y) \
  template bool head_norm_gate<G, Y>(const HeadNormProblem&, const float*, const G*, Y*, int);
RETENTIVE_HEAD_NORM(float, float)
RETENTIVE_HEAD_NORM(float, bfloat16)
RETENTIVE_HEAD_NORM(bfloat16, float)
RETENTIVE_HEAD_NORM(bfloat16, bfloat16)
#undef RETENTIVE_HEAD_NORM

}  // namespace retentive::retention
