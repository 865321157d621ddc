#include <cmath>
#include <random>

#include <bench/report/analysis.h>
#include <bench/report_cells.h>
#include <retention/base/error.h>
#include <support/catch.h>

namespace retentive::testing {
namespace {

using namespace retentive::bench;

const std::vector<double> kTokens = {196, 576, 1024, 2304, 4096, 9216, 16384};

std::vector<double> planted(double exponent, double spread, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> noise(0, spread);
  std::vector<double> times;
  for (const double n : kTokens) times.push_back(0.01 * std::pow(n, exponent) * std::exp(noise(random)));
  return times;
}

TEST_CASE("planted exponents are found, and the interval holds them as often as it says") {
  for (const double exponent : {1.0, 1.5, 2.0}) {
    CAPTURE(exponent);
    const auto exact = fit_power_law(kTokens, planted(exponent, 0, 1));
    CHECK(exact.exponent == Approx(exponent).margin(1e-12));
    CHECK(exact.factor == Approx(0.01));
    CHECK(exact.high - exact.low < 1e-6);
    int held = 0;
    for (uint64_t seed = 0; seed < 200; ++seed) {
      const auto law = fit_power_law(kTokens, planted(exponent, 0.03, seed));
      REQUIRE(law.exponent == Approx(exponent).margin(0.05));
      held += law.low <= exponent && exponent <= law.high;
    }
    CHECK(held >= 180);  // 190 expected; fewer than 180 happen once in 500 times
    CHECK(held < 200);
  }
}

TEST_CASE("an exponent is written with its interval") {
  CHECK(exponent_text({.exponent = 1.006, .low = 0.984, .high = 1.04}) == "1.01 (0.98 to 1.04)");
  CHECK(exponent_text({.exponent = -0.001, .low = -0.06, .high = 0.002}) == "0.00 (-0.06 to 0.00)");
}

TEST_CASE("a power law needs three positive pairs at different places") {
  CHECK_THROWS_AS(fit_power_law({1, 2}, {1, 2}), InvalidArgument);
  CHECK_THROWS_AS(fit_power_law({1, 2, 3}, {1, 2}), InvalidArgument);
  CHECK_THROWS_AS(fit_power_law({1, 2, 3}, {1, 0, 3}), InvalidArgument);
  CHECK_THROWS_AS(fit_power_law({1, 2, -3}, {1, 2, 3}), InvalidArgument);
  CHECK_THROWS_AS(fit_power_law({2, 2, 2}, {1, 2, 3}), InvalidArgument);
}

TEST_CASE("cells that differ in tokens alone are a series, named by what tells them apart") {
  auto results = results_of(
      {image_cell("vir_s", 512, 4, "retention", "chunkwise"), image_cell("vit_s", 512, 6, "attention"),
       image_cell("vir_s", 512, 3, "retention", "parallel"), image_cell("vir_s", 256, 1, "retention", "chunkwise")});
  results.cells.push_back(image_cell("vit_s", 1024, 0, "attention"));
  results.cells.back().skipped = "too long";
  const auto series = series_of(results, "image");
  REQUIRE(series.size() == 3);
  CHECK(series[0].label == "vir_s chunkwise");
  CHECK(series[1].label == "vit_s");
  CHECK(series[2].label == "vir_s parallel");
  REQUIRE(series[0].cells.size() == 2);
  CHECK(series[0].cells[0]->height == 256);
  CHECK(series[1].skipped.size() == 1);
  CHECK(series_of(results, "decode").empty());
  CHECK_FALSE(scaling_of(series[0]).time.has_value());
}

TEST_CASE("exponents of time and of memory beyond what was loaded") {
  std::vector<Cell> cells;
  for (const int64_t side : {256, 512, 1024, 2048}) {
    auto cell = image_cell("a", side, 1e-3 * std::pow(static_cast<double>(side), 3));
    cell.peak_rss_mb = cell.loaded_rss_mb + 1e-4 * static_cast<double>(side * side);
    cells.push_back(cell);
  }
  const auto results = results_of(cells);
  const auto scaling = scaling_of(series_of(results, "image").front());
  REQUIRE(scaling.time.has_value());
  REQUIRE(scaling.memory.has_value());
  CHECK(scaling.time->exponent == Approx(1.5));
  CHECK(scaling.memory->exponent == Approx(1));
}

TEST_CASE("series cross between the sizes where their order changes") {
  // t = n / 100 and t = n^2 / 10^4 meet at n = 100, a side of 160 pixels.
  const auto linear = [](int64_t side) { return static_cast<double>(side * side) / 256 / 100; };
  const auto square = [&](int64_t side) { return linear(side) * linear(side); };
  const auto results =
      results_of({image_cell("linear", 80, linear(80)), image_cell("linear", 320, linear(320)),
                  image_cell("square", 80, square(80)), image_cell("square", 320, square(320)),
                  image_cell("square", 640, square(640)), image_cell("slow", 80, 100), image_cell("slow", 320, 1000)});
  const auto series = series_of(results, "image");
  const auto found = crossovers(series);
  REQUIRE(found.size() == 1);
  CHECK(found[0].before->label == "square");
  CHECK(found[0].after->label == "linear");
  CHECK(found[0].tokens == Approx(100));
  CHECK(found[0].pixels == Approx(160));
}

// Sides at which two series cross that have these times at 160, 320, ... pixels.
std::vector<double> crossings(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<Cell> cells;
  for (size_t i = 0; i < a.size(); ++i) {
    cells.push_back(image_cell("a", 160 << i, a[i]));
    cells.push_back(image_cell("b", 160 << i, b[i]));
  }
  const auto results = results_of(cells);
  const auto series = series_of(results, "image");
  std::vector<double> sides;
  for (const auto& crossing : crossovers(series)) sides.push_back(crossing.pixels);
  return sides;
}

TEST_CASE("series that take equally long at a size cross there if the order changes behind") {
  const auto count = [](const std::vector<double>& times) {
    return crossings(times, std::vector<double>(times.size(), 2));
  };
  CHECK(count({1, 2, 3}) == std::vector<double>{320});
  CHECK(count({3, 2, 2, 1}) == std::vector<double>{320});
  CHECK(count({1, 2, 1}).empty());
  CHECK(count({2, 3, 4}).empty());
  CHECK(count({1, 2}).empty());
  CHECK(count({1, 4, 1}).size() == 2);
}

TEST_CASE("an order that changes within the noise is no crossover") {
  // Middle halves reach 1 % to both sides of the median.
  CHECK(crossings({1, 2, 4}, {1.01, 1.98, 4.02}).empty());
  CHECK(crossings({1, 2, 4}, {1.2, 1.98, 4.5}).empty());
  const auto found = crossings({1, 2, 4}, {1.2, 1.98, 3});
  REQUIRE(found.size() == 1);
  CHECK(found[0] > 160);
  CHECK(found[0] < 320);
}

TEST_CASE("series of other precisions are not compared") {
  auto other = image_cell("b", 80, 2), later = image_cell("b", 320, 1);
  other.precision = later.precision = "bf16";
  const auto results = results_of({image_cell("a", 80, 1), image_cell("a", 320, 2), other, later});
  CHECK(crossovers(series_of(results, "image")).empty());
}

TEST_CASE("speed-ups are against attention, size by size") {
  const auto results =
      results_of({image_cell("vit", 256, 8, "attention"), image_cell("vir", 256, 4), image_cell("vir", 512, 10)});
  const auto series = series_of(results, "image");
  const auto found = speed_ups(series);
  REQUIRE(found.size() == 1);
  CHECK(found[0].series->label == "vir");
  CHECK(found[0].baseline->label == "vit");
  REQUIRE(found[0].ratios.size() == 1);
  CHECK(found[0].ratios[0].second == Approx(2));
}

TEST_CASE("derived values of a cell") {
  auto cell = image_cell("a", 256, 10);
  cell.batch = 4;
  const auto results = results_of({cell});
  CHECK(quartiles_of(cell).median == Approx(10));
  CHECK(quartiles_of(cell).q1 == Approx(9.9));
  CHECK(items_per_s(cell) == Approx(400));
  CHECK(gmacs_per_s(cell) == Approx(100));
  CHECK(peak_share(results, cell) == Approx(0.5));
  Cell step{.task = "decode", .model = "r", .precision = "bf16", .batch = 2, .tokens = 1000};
  step.times_ms = {20};
  step.read_gb = 0.4;
  CHECK(items_per_s(step) == Approx(100));
  CHECK(bandwidth_share(results, step) == Approx(0.5));
  CHECK(peak_share(results, step) == 0);
  step.task = "prefill";
  CHECK(items_per_s(step) == Approx(100'000));
}

}  // namespace
}  // namespace retentive::testing
