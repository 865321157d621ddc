#include <random>

#include <bench/report/statistics.h>
#include <retention/base/error.h>
#include <support/catch.h>

using namespace retentive;
using namespace retentive::bench;

TEST_CASE("percentiles interpolate between sorted values", "[bench]") {
  const std::vector<double> values = {4, 1, 3, 2, 5};
  CHECK(percentile(values, 0) == 1);
  CHECK(percentile(values, 0.5) == 3);
  CHECK(percentile(values, 0.875) == Approx(4.5));
  CHECK(percentile(values, 1) == 5);
  CHECK(percentile({7}, 0.3) == 7);
  CHECK_THROWS_AS(percentile({}, 0.5), InvalidArgument);
}

TEST_CASE("the ratio of medians finds a planted slowdown and no other", "[bench]") {
  std::mt19937_64 random(4);
  std::normal_distribution<double> noise(10.0, 0.3);
  std::vector<double> a(60), b(60), slower(60);
  for (auto* values : {&a, &b, &slower}) {
    for (double& value : *values) value = noise(random);
  }
  for (double& value : slower) value *= 1.2;
  const auto same = median_ratio(a, b), loss = median_ratio(a, slower);
  CHECK(same.low < 1);
  CHECK(same.high > 1);
  CHECK(loss.low > 1.1);
  CHECK(loss.ratio == Approx(1.2).margin(0.05));
  CHECK(median_ratio(a, a).ratio == 1);
}
