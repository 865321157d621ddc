#include <bench/machine.h>
#include <retention/base/error.h>
#include <support/catch.h>

using namespace retentive;
using namespace retentive::bench;

TEST_CASE("the machine is described and its peak measured", "[bench]") {
  const auto machine = describe_machine();
  CHECK_FALSE(machine.cpu.empty());
  CHECK(machine.cores >= 1);
  CHECK(machine.onednn.find('.') != std::string::npos);
  CHECK((machine.cores == 1 || machine.pingpong_ns > 5));
  CHECK(peak_gmacs_per_s(Precision::fp32, 1) > 1);
  CHECK(peak_rss_mb() > 10);
}
