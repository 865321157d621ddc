#include <retention/base/error.h>
#include <retention/kernels/stream.h>
#include <support/catch.h>

using namespace retentive;

TEST_CASE("read bandwidth is that of a memory", "[stream]") {
  for (const int threads : {1, 2, 3}) {
    const double bandwidth = retention::read_bandwidth((1 << 26) + 12345, threads, 3);
    INFO(threads << " threads: " << bandwidth / 1e9 << " GB/s");
    CHECK(bandwidth > 1e8);  // slower than any memory of the last decades
    CHECK(bandwidth < 1e13);
  }
  CHECK_THROWS_AS(retention::read_bandwidth(1000, 1), InvalidArgument);
  CHECK_THROWS_AS(retention::read_bandwidth(1 << 20, 0), InvalidArgument);
  CHECK_THROWS_AS(retention::read_bandwidth(1 << 20, 1, 0), InvalidArgument);
}
