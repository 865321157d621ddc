#include <retention/base/parallel_for.h>
#include <retention/kernels/attention_decode.h>
#include <retention/kernels/attention_decode_plan.h>
#include <retention/kernels/simd/rows.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

// Keys and values that keep a thread busy for longer than it takes to wake it.
constexpr int64_t kThreadElements = 65536;
// Memory is asked for so far ahead; two streams of rows, keys and values, take turns, which no processor foresees.
constexpr int64_t kAheadBytes = 8192;
// Below every score, but nothing times it is 0.
constexpr float kLowest = -3e38f;

/// Rows of one head; what is asked for comes `ahead` elements later than what is read.
template <class T>
struct TokenStream {
  const T* data;
  int64_t stride, dim, ahead;

  TokenStream(const T* first, int64_t token_stride, int64_t channels)
      : data(first), stride(token_stride), dim(channels) {
    const auto row_bytes = channels * static_cast<int64_t>(sizeof(T));
    ahead = larger(kAheadBytes / row_bytes, kRows) * stride;
  }

  void ask(const T* at) const { _mm_prefetch(reinterpret_cast<const char*>(at + ahead), _MM_HINT_T0); }
};

/// One part of the keys of one head, for all queries.
template <class T>
class DecodePart {
 public:
  DecodePart(const AttentionDecodeCall<T>& call, const AttentionDecodePlan& plan, int64_t pair, int64_t part)
      : p_(call.problem),
        plan_(plan),
        first_(part * kDecodePart),
        count_(smaller(kDecodePart, p_.keys - first_)),
        keys_(call.tensors.k.at(pair / p_.heads, pair % p_.heads, first_), call.tensors.k.token_stride, p_.key_dim),
        values_(call.tensors.v.at(pair / p_.heads, pair % p_.heads, first_), call.tensors.v.token_stride, p_.value_dim),
        partials_(call.workspace + (pair * plan.parts + part) * p_.queries * plan.partial) {}

  void run(const float* queries) {
    for (int64_t t = 0; t < count_; t += kRows) {
      int64_t i = 0;
      for (; i + 4 <= p_.queries; i += 4) score<4>(queries, i, t);
      for (; i + 2 <= p_.queries; i += 2) score<2>(queries, i, t);
      if (i < p_.queries) score<1>(queries, i, t);
    }
    for (int64_t i = 0; i < p_.queries; ++i) weigh(i);
    int64_t t = 0;
    for (; t + kRows <= seen(0); t += kRows) add_values<kRows>(t, 0);
    for (int64_t i = 0; t < count_; ++t) {
      while (seen(i) <= t) ++i;
      add_values<1>(t, i);
    }
  }

 private:
  /// Keys of the part that query i sees.
  int64_t seen(int64_t i) const { return clamped(p_.keys - p_.queries + i + 1 - first_, 0, count_); }

  /// Scores of `together` queries with the kRows keys from t on; past the last the last key's.
  template <int together>
  void score(const float* queries, int64_t i, int64_t t) {
    // Copies: vectors that are stored may be of any type, these members too.
    const TokenStream<T> keys = keys_;
    const int64_t width = plan_.key_width, last = count_ - 1;
    const float* const query = queries + i * width;
    Floats sums[together][kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const T* const key = keys.data + smaller(t + r, last) * keys.stride;
#pragma GCC unroll 4
      for (int q = 0; q < together; ++q) sums[q][r] = zero();
      for_each_vector(keys.dim, [&](int64_t c, int64_t n) {
        keys.ask(key + c);
        const Floats x = load_part(key + c, n);
#pragma GCC unroll 4
        for (int q = 0; q < together; ++q) sums[q][r] = fmadd(x, load(query + q * width + c), sums[q][r]);
      });
    }
#pragma GCC unroll 4
    for (int q = 0; q < together; ++q) store_first(scores_[i + q] + t, reduce_rows(sums[q], Add()).lanes, kRows);
  }

  /// Scores to weights relative to their maximum, which follows the sums with the weights' total; clears the sums.
  void weigh(int64_t i) {
    float *const scores = scores_[i], *const sums = partials_ + i * plan_.partial;
    const int64_t count = seen(i);
    int64_t end = count;
    for (; end % kLanes != 0; ++end) scores[end] = kLowest;
    Floats most = broadcast(kLowest), total = zero();
    for (int64_t t = 0; t < end; t += kLanes) most = max(most, load(scores + t));
    most = broadcast(largest(most));
    for (int64_t t = 0; t < end; t += kLanes) {
      const Floats score = load(scores + t), weight = exp2(sub(score, most));
      store(scores + t, weight);
      // exp2 makes a number of NaN: nothing times the score does not.
      total = add(total, fmadd(score, zero(), weight));
    }
    for (int64_t c = 0; c < plan_.value_width; c += kLanes) store(sums + c, zero());
    sums[plan_.value_width] = largest(most);
    sums[plan_.value_width + 1] = sum(total);
  }

  /// Adds `tokens` values from t on, weighted, for the queries from `first` on.
  template <int tokens>
  void add_values(int64_t t, int64_t first) {
    const TokenStream<T> values = values_;
    const int64_t partial = plan_.partial, queries = p_.queries - first;
    const float* const weights = scores_[first] + t;
    const T* const from = values.data + t * values.stride;
    float* const sums = partials_ + first * partial;
    // Rows that lie side by side are asked for in the order of memory, which is what the processor itself carries on.
    const bool dense = values.stride == values.dim;
    const int64_t next_row = dense ? kLanes : values.stride, next_channel = dense ? tokens : 1;
    for_each_vector(values.dim, [&](int64_t c, int64_t n) {
      Floats value[tokens];
#pragma GCC unroll 4
      for (int r = 0; r < tokens; ++r) {
        values.ask(from + r * next_row + c * next_channel);
        value[r] = load_part(from + r * values.stride + c, n);
      }
      const float* weight = weights;
      float* to = sums + c;
      for (int64_t i = 0; i < queries; ++i, weight += kDecodePart, to += partial) {
        Floats total = load(to);
#pragma GCC unroll 4
        for (int r = 0; r < tokens; ++r) total = fmadd(broadcast(weight[r]), value[r], total);
        store(to, total);
      }
    });
  }

  const AttentionDecodeProblem& p_;
  const AttentionDecodePlan& plan_;
  int64_t first_, count_;
  TokenStream<T> keys_, values_;
  float* partials_;
  alignas(64) float scores_[kMostDecodeQueries][kDecodePart];
};

/// The queries of one head in base 2, so that weights are powers of 2.
template <class T>
void scale_queries(const AttentionDecodeCall<T>& call, int64_t width, int64_t pair, float* to) {
  const AttentionDecodeProblem& p = call.problem;
  const Floats scale = broadcast(p.scale * kLog2E);
  for (int64_t i = 0; i < p.queries; ++i) {
    const T* const from = call.tensors.q.at(pair / p.heads, pair % p.heads, i);
    for_each_vector(p.key_dim,
                    [&](int64_t c, int64_t n) { store(to + i * width + c, mul(load_part(from + c, n), scale)); });
  }
}

/// Joins the parts of one query: `partials` are those of its head, with the queries between one part and the next.
template <class T>
void join_parts(const AttentionDecodeProblem& p, const AttentionDecodePlan& plan, float* partials, T* out) {
  const int64_t step = p.queries * plan.partial;
  float most = kLowest;
  for (int64_t part = 0; part < plan.parts; ++part) {
    most = larger(most, partials[part * step + plan.value_width]);
  }
  Floats total = zero();
  for (int64_t part = 0; part < plan.parts; ++part) {
    float* const tail = partials + part * step + plan.value_width;
    const Floats weight = exp2(sub(broadcast(tail[0]), broadcast(most)));
    total = fmadd(weight, broadcast(tail[1]), total);
    store_first(tail, weight, 1);
  }
  for_each_vector(p.value_dim, [&](int64_t c, int64_t n) {
    Floats sums = zero();
    for (int64_t part = 0; part < plan.parts; ++part) {
      const float* const from = partials + part * step;
      sums = fmadd(broadcast(from[plan.value_width]), load(from + c), sums);
    }
    store_part(out + c, div(sums, total), n);
  });
}

template <class T>
void decode(const AttentionDecodeCall<T>& call) {
  const AttentionDecodeProblem& p = call.problem;
  const AttentionDecodePlan plan(p, call.threads);
  const int64_t pairs = p.rows * p.heads, elements = pairs * p.keys * (p.key_dim + p.value_dim);
  const auto threads = static_cast<int>(smaller(call.threads, elements / kThreadElements + 1));
  parallel_for(pairs * plan.parts, threads, [&](int64_t begin, int64_t end, int worker) {
    float* const queries = call.workspace + plan.queries + worker * p.queries * plan.key_width;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t pair = task / plan.parts, part = task % plan.parts;
      if (task == begin || part == 0) scale_queries(call, plan.key_width, pair, queries);
      DecodePart<T>(call, plan, pair, part).run(queries);
    }
  });
  parallel_for(pairs, threads, [&](int64_t begin, int64_t end, int) {
    for (int64_t pair = begin; pair < end; ++pair) {
      float* const partials = call.workspace + pair * plan.parts * p.queries * plan.partial;
      for (int64_t i = 0; i < p.queries; ++i) {
        join_parts(p, plan, partials + i * plan.partial, call.tensors.out.at(pair / p.heads, pair % p.heads, i));
      }
    }
  });
}

}  // namespace

void attention_decode(const AttentionDecodeCall<float>& call) { decode(call); }
void attention_decode(const AttentionDecodeCall<bfloat16>& call) { decode(call); }

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
