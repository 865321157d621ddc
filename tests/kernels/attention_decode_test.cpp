#include <memory>
#include <string>

#include <kernels/random_values.h>
#include <retention/kernels/attention_decode.h>
#include <support/catch.h>
#include <support/close.h>

using namespace retentive;
using namespace retentive::testing;
using namespace retentive::retention;

namespace {

/// Values [rows, heads, room for tokens, dim] of which `tokens` count; the others are NaN.
struct Cache {
  int64_t heads, room, dim;
  std::vector<float> values;

  Cache(int64_t rows, int64_t n, int64_t tokens, int64_t d, uint64_t seed)
      : heads(n), room(tokens + 3), dim(d), values(rounded(normal(rows * n * room * d, seed))) {
    for (int64_t i = 0; i < rows * n; ++i) {
      std::fill_n(values.begin() + (i * room + tokens) * d, (room - tokens) * d, NAN);
    }
  }

  template <class T>
  AttentionRows<const T> view(const std::vector<T>& of) const {
    return {of.data(), heads * room * dim, room * dim, dim};
  }
};

struct DecodeCase {
  AttentionDecodeProblem problem;
  std::vector<float> q;  // [rows, queries, heads, key_dim]
  Cache k, v;

  explicit DecodeCase(const AttentionDecodeProblem& p, float size = 1)
      : problem(p),
        q(normal(p.rows * p.queries * p.heads * p.key_dim, 1)),
        k(p.rows, p.heads, p.keys, p.key_dim, 2),
        v(p.rows, p.heads, p.keys, p.value_dim, 3) {
    problem.scale = 1 / std::sqrt(static_cast<float>(p.key_dim));
    for (float& x : q) x *= size;
    q = rounded(q);
  }

  std::string name() const {
    const auto& p = problem;
    std::string text;
    for (const int64_t size : {p.rows, p.heads, p.queries, p.keys, p.key_dim, p.value_dim}) {
      text += (text.empty() ? "" : "x") + std::to_string(size);
    }
    return text;
  }

  template <class T>
  AttentionRows<T> token_rows(T* data, int64_t dim) const {
    return {data, problem.queries * problem.heads * dim, dim, problem.heads * dim};
  }

  std::vector<float> expected() const {
    std::vector<float> out(problem.rows * problem.queries * problem.heads * problem.value_dim, NAN);
    attention_decode_reference(problem, {token_rows(q.data(), problem.key_dim), k.view(k.values), v.view(v.values),
                                         token_rows(out.data(), problem.value_dim)});
    return out;
  }

  // Empty when nothing runs here.
  template <class T>
  std::vector<float> fast(int threads) const {
    const auto queries = converted<T>(q), keys = converted<T>(k.values), values = converted<T>(v.values);
    const int64_t size = problem.rows * problem.queries * problem.heads * problem.value_dim, guard = 7;
    std::vector<T> out(size + guard, T(NAN));
    const int64_t bytes = attention_decode_workspace_bytes(problem, threads);
    std::vector<float> memory(bytes / 4 + 16, NAN);
    void* workspace = memory.data();
    size_t space = memory.size() * 4;
    std::align(64, static_cast<size_t>(bytes), workspace, space);
    const AttentionDecodeTensors<T> tensors = {token_rows<const T>(queries.data(), problem.key_dim), k.view(keys),
                                               v.view(values), token_rows(out.data(), problem.value_dim)};
    if (!attention_decode<T>(problem, tensors, workspace, threads)) return {};
    for (int64_t i = size; i < size + guard; ++i) CHECK(std::isnan(static_cast<float>(out[i])));
    return {out.begin(), out.begin() + size};
  }
};

std::vector<DecodeCase> cases() {
  std::vector<DecodeCase> all;
  for (const int64_t keys : {1, 2, 3, 15, 16, 17, 63, 65, 255, 256, 257, 511, 770, 2000}) {
    for (const int64_t queries : {1, 2, 3, 5, 8}) {
      if (queries > keys) continue;
      all.emplace_back(AttentionDecodeProblem{1, 3, queries, keys, 20, 36});
      all.emplace_back(AttentionDecodeProblem{2, 1, queries, keys, 64, 33});
    }
  }
  all.emplace_back(AttentionDecodeProblem{3, 2, 1, 600, 256, 256});
  all.emplace_back(AttentionDecodeProblem{1, 1, 4, 300, 1, 1});
  all.emplace_back(AttentionDecodeProblem{1, 2, 1, 260, 129, 7});
  return all;
}

}  // namespace

TEST_CASE("attention by hand", "[attention_decode]") {
  // Scores 2 ln 3 and 0 have weights 9/10 and 1/10; the first query sees the first key only.
  const std::vector<float> q = {1, std::log(3.0f)}, k = {2, 0}, v = {10, -4, 20, 6};
  std::vector<float> out(4, NAN);
  attention_decode_reference({.queries = 2, .keys = 2, .value_dim = 2},
                             {{q.data(), 0, 0, 1}, {k.data(), 0, 0, 1}, {v.data(), 0, 0, 2}, {out.data(), 0, 0, 2}});
  CHECK(out[0] == 10);
  CHECK(out[1] == -4);
  CHECK(out[2] == Approx(11));
  CHECK(out[3] == Approx(-3));
}

TEST_CASE("fast attention with a cache equals the reference", "[attention_decode]") {
  WorstDeviation worst("attention decode fp32"), worst_bf16("attention decode bf16");
  for (const DecodeCase& c : cases()) {
    const auto expected = c.expected(), actual = c.fast<float>(1);
    if (actual.empty()) return;
    CHECK(worst.add(c.name(), deviation(actual, expected)) < 2e-6);
    // The operands are bfloat16 already: one rounding to 8 significant bits, at most 2^-8 of the value.
    const auto narrow = c.fast<bfloat16>(1);
    CHECK(worst_bf16.add(c.name(), deviation(narrow, expected)) < 0.0040);
    for (const int threads : {2, 3}) {
      CHECK(c.fast<float>(threads) == actual);
      CHECK(c.fast<bfloat16>(threads) == narrow);
    }
  }
}

TEST_CASE("attention stands scores of ten thousand", "[attention_decode]") {
  WorstDeviation one("attention decode, scores far apart"), worst("attention decode, scores around 10,000");
  for (const int64_t keys : {5, 300, 2000}) {
    const AttentionDecodeProblem p{.rows = 1, .heads = 2, .queries = 3, .keys = keys, .key_dim = 64, .value_dim = 48};
    const DecodeCase apart(p, 1e4f);
    const auto chosen = apart.fast<float>(2);
    if (chosen.empty()) return;
    CHECK(one.add(apart.name(), deviation(chosen, apart.expected())) < 2e-6);
    for (const float offset : {8e4f, -8e4f}) {
      DecodeCase c(p);
      for (size_t i = 0; i < c.q.size(); i += 64) c.q[i] = offset;
      for (size_t i = 0; i < c.k.values.size(); i += 64) c.k.values[i] = 1;
      // Scores are multiples of 2^-10 by then, and so are the logarithms of the weights.
      CHECK(worst.add(c.name(), deviation(c.fast<float>(2), c.expected())) < 4e-3);
    }
  }
}

TEST_CASE("equal scores give the mean, whatever their size", "[attention_decode]") {
  for (const float score : {-3e4f, 0.0f, 3e4f}) {
    DecodeCase c({.queries = 1, .keys = 999, .key_dim = 4, .value_dim = 17});
    c.problem.scale = 1;
    c.q = {score, 0, 0, 0};
    for (int64_t t = 0; t < 999; ++t) c.k.values[t * 4] = 1;
    const auto actual = c.fast<float>(2);
    if (actual.empty()) return;
    for (int64_t channel = 0; channel < 17; ++channel) {
      double mean = 0;
      for (int64_t t = 0; t < 999; ++t) mean += c.v.values[t * 17 + channel] / 999;
      CHECK(actual[channel] == Approx(mean).margin(1e-6));
    }
  }
}

TEST_CASE("a row gets the bits that it gets alone", "[attention_decode]") {
  const AttentionDecodeProblem both{.rows = 2, .heads = 3, .queries = 2, .keys = 700, .key_dim = 32, .value_dim = 40};
  const DecodeCase c(both);
  const auto together = c.fast<float>(3);
  if (together.empty()) return;
  DecodeCase second(both);
  second.problem.rows = 1;
  const auto drop_first = [](std::vector<float>& values) {
    values.erase(values.begin(), values.begin() + values.size() / 2);
  };
  for (auto* values : {&second.q, &second.k.values, &second.v.values}) drop_first(*values);
  auto expected = together;
  drop_first(expected);
  CHECK(second.fast<float>(1) == expected);
}

TEST_CASE("later tokens have no effect, unlike what is not finite among a query's keys", "[attention_decode]") {
  DecodeCase c({.heads = 1, .queries = 3, .keys = 258, .key_dim = 16, .value_dim = 16});
  const auto clean = c.fast<float>(2);
  if (clean.empty()) return;
  // Token 257 is seen by the last query only, 256 by the last two.
  for (auto* cache : {&c.k, &c.v}) std::fill_n(cache->values.begin() + 257 * 16, 16, NAN);
  auto out = c.fast<float>(2);
  CHECK(std::equal(out.begin(), out.begin() + 32, clean.begin()));
  for (int64_t i = 32; i < 48; ++i) CHECK(std::isnan(out[i]));
  c = DecodeCase(c.problem);
  c.k.values[256 * 16 + 3] = NAN;
  out = c.fast<float>(2);
  CHECK(std::equal(out.begin(), out.begin() + 16, clean.begin()));
  for (int64_t i = 16; i < 48; ++i) CHECK(std::isnan(out[i]));
}

TEST_CASE("more queries than the kernel takes are declined", "[attention_decode]") {
  const DecodeCase c({.queries = kMostDecodeQueries + 1, .keys = 20, .key_dim = 8, .value_dim = 8});
  CHECK(c.fast<float>(1).empty());
}
