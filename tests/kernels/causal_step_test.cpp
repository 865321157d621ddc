#include <algorithm>
#include <array>

#include <kernels/causal_case.h>
#include <support/catch.h>

using namespace retentive;
using namespace retentive::testing;
using namespace retentive::retention;

TEST_CASE("the step is the recurrent form, row by row, whatever the rows", "[causal]") {
  if (causal_implementation() == nullptr) return;
  for (const auto& [heads, key_dim, value_dim] : {std::array<int64_t, 3>{3, 18, 20}, {1, 16, 600}, {4, 7, 32}}) {
    // Three sequences of which the second joins late and the first leaves early.
    const CausalCase c(heads, key_dim, value_dim, {{0, 5}, {5, 9}, {9, 17}});
    const auto in = c.inputs(13);
    auto state = c.states(14);
    std::vector<float> last;
    const auto expected = run_fast(fast_forms<float, float>()[2], c, in, state, 1, &last).out;
    std::vector<float> out(c.tokens * c.out_stride(), NAN);
    const int64_t size = heads * key_dim * value_dim;
    for (int64_t t = 0; t < 8; ++t) {
      std::vector<float> rows_in, rows_out;
      std::vector<float*> states;
      std::vector<int64_t> tokens;
      for (size_t s = 0; s < 3; ++s) {
        const int64_t token = c.ranges[s].begin + t - (s == 1 ? 3 : 0);
        if (token < c.ranges[s].begin || token >= c.ranges[s].end) continue;
        rows_in.insert(rows_in.end(), in.begin() + token * c.stride(), in.begin() + (token + 1) * c.stride());
        states.push_back(state.data() + s * size);
        tokens.push_back(token);
      }
      rows_out.assign(states.size() * c.out_stride(), NAN);
      CHECK(retention_step<float, float>(c.problem(), c.tensors(rows_in, rows_out), states.data(),
                                         static_cast<int64_t>(states.size()), t < 4 ? 2 : 3));
      for (size_t r = 0; r < tokens.size(); ++r) {
        std::copy_n(rows_out.begin() + r * c.out_stride(), heads * value_dim, out.begin() + tokens[r] * c.out_stride());
      }
    }
    CHECK(c.used(out, c.out_stride(), heads * value_dim) == expected);
    CHECK(state == last);
  }
}
