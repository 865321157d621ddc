#include <algorithm>

#include <retention/base/retention_cost.h>
#include <support/catch.h>

using namespace retentive;

namespace {

// One product a key and channel of the scores, one a key and channel of the values, key by key.
int64_t counted(int64_t tokens, int64_t key_dim, int64_t value_dim) {
  int64_t products = 0;
  for (int64_t query = 0; query < tokens; ++query) {
    for (int64_t key = 0; key < tokens; ++key) products += key_dim + value_dim;
  }
  return products;
}

}  // namespace

TEST_CASE("the cost of retention is that of its products", "[cost]") {
  for (const int64_t tokens : {1, 2, 63, 65, 197}) {
    for (const auto [key_dim, value_dim] : {std::pair<int64_t, int64_t>{16, 16}, {64, 96}}) {
      CAPTURE(tokens, key_dim, value_dim);
      const RetentionWork work{tokens, key_dim, value_dim, 32};
      CHECK(retention_macs(work, Form::parallel, MaskedProducts::counted) == counted(tokens, key_dim, value_dim));
      CHECK(retention_macs(work, Form::parallel, MaskedProducts::left_out) == counted(tokens, key_dim, value_dim) / 2);
      // A state is written with a key and read with a query by each token.
      const auto states = 2 * tokens * key_dim * value_dim;
      for (const auto masked : {MaskedProducts::counted, MaskedProducts::left_out}) {
        CHECK(retention_macs(work, Form::recurrent, masked) == states);
        int64_t inside = 0;
        for (int64_t begin = 0; begin < tokens; begin += 32) {
          inside +=
              retention_macs({std::min<int64_t>(32, tokens - begin), key_dim, value_dim, 0}, Form::parallel, masked);
        }
        CHECK(retention_macs(work, Form::chunkwise, masked) == states + inside);
      }
    }
  }
  CHECK(retention_macs({0, 16, 16, 32}, Form::chunkwise, MaskedProducts::counted) == 0);
}

TEST_CASE("chunks are as long as asked for, or as is fastest", "[cost]") {
  CHECK(retention_chunk(5, 64, 64) == 5);
  CHECK(retention_chunk(128, 256, 432) == 128);
  CHECK(retention_chunk(512, 128, 128) == 32);
  CHECK(retention_chunk(0, 256, 432) == 64);
}
