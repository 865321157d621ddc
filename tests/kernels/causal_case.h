#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <kernels/random_values.h>
#include <retention/kernels/causal.h>

namespace retentive::testing {

using retention::CausalProblem;
using retention::CausalStates;
using retention::CausalTensors;
using retention::TokenRange;
using retention::TokenRows;

/// Sizes of a causal retention call and random inputs that bfloat16 holds exactly. q, k and v lie in one buffer, side
/// by side for each token, as a fused projection leaves them, with NaN between them and in tokens of no sequence.
struct CausalCase {
  int64_t heads, key_dim, value_dim;
  std::vector<TokenRange> ranges;
  std::vector<float> log_gamma;
  int64_t chunk = 0;
  int64_t tokens = 0;

  CausalCase(int64_t n, int64_t dk, int64_t dv, std::vector<TokenRange> sequences)
      : heads(n), key_dim(dk), value_dim(dv), ranges(std::move(sequences)), log_gamma(n) {
    // The last head does not decay.
    for (int64_t h = 0; h < n; ++h) log_gamma[h] = h + 1 == n && n > 1 ? 0.0f : std::log(1 - std::exp2(-3.0f - 2 * h));
    for (const auto& range : ranges) tokens = std::max(tokens, range.end);
  }

  CausalProblem problem() const {
    return {.heads = heads,
            .key_dim = key_dim,
            .value_dim = value_dim,
            .scale = 1 / std::sqrt(static_cast<double>(key_dim)),
            .sequences = ranges.data(),
            .sequence_count = static_cast<int64_t>(ranges.size()),
            .log_gamma = log_gamma.data(),
            .chunk = chunk};
  }

  int64_t stride() const { return heads * (2 * key_dim + value_dim) + 3; }
  int64_t out_stride() const { return heads * value_dim + 2; }
  int64_t state_size() const { return static_cast<int64_t>(ranges.size()) * heads * key_dim * value_dim; }
  std::vector<float> states(uint64_t seed) const { return rounded(normal(state_size(), seed)); }
  std::string name() const {
    return std::to_string(tokens) + " tokens, " + std::to_string(heads) + "x" + std::to_string(key_dim) + "x" +
           std::to_string(value_dim) + ", chunk " + std::to_string(chunk);
  }

  std::vector<float> inputs(uint64_t seed) const {
    auto values = rounded(normal(tokens * stride(), seed));
    std::vector<bool> used(tokens, false);
    for (const auto& range : ranges) std::fill(used.begin() + range.begin, used.begin() + range.end, true);
    for (int64_t t = 0; t < tokens; ++t) {
      for (int64_t c = used[t] ? stride() - 3 : 0; c < stride(); ++c) values[t * stride() + c] = NAN;
    }
    return values;
  }

  template <class T, class Out>
  CausalTensors<T, Out> tensors(const std::vector<T>& in, std::vector<Out>& out) const {
    const T* v = in.data() + 2 * heads * key_dim;
    return {.q = {in.data(), stride()},
            .k = {in.data() + heads * key_dim, stride()},
            .v = {v, stride()},
            .out = {out.data(), out_stride()}};
  }

  /// Rows of the sequences' tokens alone, in order.
  template <class T>
  std::vector<T> used(const std::vector<T>& rows, int64_t row_stride, int64_t columns) const {
    std::vector<T> kept;
    for (const auto& range : ranges) {
      for (int64_t t = range.begin; t < range.end; ++t) {
        kept.insert(kept.end(), rows.begin() + t * row_stride, rows.begin() + t * row_stride + columns);
      }
    }
    return kept;
  }
};

/// What a form returns.
template <class T>
struct CausalResult {
  std::vector<T> out;
  std::vector<T> last;
};

using Reference = void (*)(const CausalProblem&, const CausalTensors<double, double>&, const CausalStates<double>&);

inline CausalResult<double> run_reference(Reference form, const CausalCase& c, const std::vector<float>& in,
                                          const std::vector<float>& initial) {
  const auto wide = converted<double>(in), first = converted<double>(initial);
  std::vector<double> out(c.tokens * c.out_stride(), NAN), last(c.state_size(), NAN);
  form(c.problem(), c.tensors(wide, out), {initial.empty() ? nullptr : first.data(), last.data()});
  return {c.used(out, c.out_stride(), c.heads * c.value_dim), last};
}

/// A fast form and its workspace.
template <class T, class Out>
struct FastForm {
  bool (*run)(const CausalProblem&, const CausalTensors<T, Out>&, const CausalStates<float>&, void*, int);
  int64_t (*workspace_bytes)(const CausalProblem&, int);
  const char* name;
};

template <class T, class Out>
inline std::vector<FastForm<T, Out>> fast_forms() {
  return {{retention::retention_parallel<T, Out>, retention::retention_parallel_workspace_bytes, "parallel"},
          {retention::retention_chunkwise<T, Out>, retention::retention_chunkwise_workspace_bytes, "chunkwise"},
          {retention::retention_recurrent<T, Out>, retention::retention_recurrent_workspace_bytes, "recurrent"}};
}

/// Memory filled with NaN, aligned as workspaces are.
class NanWorkspace {
 public:
  explicit NanWorkspace(int64_t bytes) : values_(bytes / 4 + 16, NAN) {}
  void* data() {
    const auto address = reinterpret_cast<uintptr_t>(values_.data());
    return reinterpret_cast<void*>((address + 63) / 64 * 64);
  }

 private:
  std::vector<float> values_;
};

template <class T, class Out>
CausalResult<Out> run_fast(const FastForm<T, Out>& form, const CausalCase& c, const std::vector<T>& in,
                           const std::vector<float>& initial, int threads, std::vector<float>* last = nullptr) {
  std::vector<Out> out(c.tokens * c.out_stride(), Out(NAN));
  NanWorkspace workspace(form.workspace_bytes(c.problem(), threads));
  if (last != nullptr) last->assign(c.state_size(), NAN);
  form.run(c.problem(), c.tensors(in, out),
           {initial.empty() ? nullptr : initial.data(), last == nullptr ? nullptr : last->data()}, workspace.data(),
           threads);
  // Nothing is written between rows or for tokens of no sequence.
  size_t untouched = 0;
  for (const Out value : out) untouched += std::isnan(static_cast<float>(value)) ? 1 : 0;
  auto used = c.used(out, c.out_stride(), c.heads * c.value_dim);
  if (untouched != out.size() - used.size()) used.clear();
  return {used, {}};
}

}  // namespace retentive::testing
