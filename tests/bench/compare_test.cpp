#include <bench/report/compare.h>
#include <bench/report/statistics.h>
#include <bench/report_cells.h>
#include <retention/base/error.h>
#include <support/catch.h>

namespace retentive::testing {
namespace {

using namespace retentive::bench;
using Catch::Matchers::Contains;

Results timed(const std::vector<double>& medians, uint64_t seed, int runs = 20) {
  std::vector<Cell> cells;
  for (size_t i = 0; i < medians.size(); ++i) {
    cells.push_back(image_cell("model", 64 * static_cast<int64_t>(i + 1), 1));
    cells.back().times_ms = noisy(medians[i], runs, seed * 100 + i);
  }
  return results_of(cells);
}

TEST_CASE("the Mann-Whitney test: worked by hand") {
  // U = 0 of 9, mean 4.5, variance 5.25: z = 4 / sqrt(5.25).
  CHECK(mann_whitney_p({1, 2, 3}, {4, 5, 6}) == Approx(0.0808556).epsilon(1e-4));
  CHECK(mann_whitney_p({4, 5, 6}, {1, 2, 3}) == Approx(0.0808556).epsilon(1e-4));
  // Ranks 1.5 1.5 4 and 4 4 6: U = 1 of 9 with ties of 2 and 3, variance 0.75 * (7 - 30 / 30).
  CHECK(mann_whitney_p({1, 1, 2}, {2, 2, 3}) == Approx(std::erfc(3 / std::sqrt(4.5) / std::sqrt(2.0))));
  CHECK(mann_whitney_p({1, 2}, {1, 2}) == 1);
  CHECK(mann_whitney_p({3, 3}, {3, 3}) == 1);
  CHECK(mann_whitney_p({}, {1}) == 1);
}

TEST_CASE("Holm's correction: worked by hand") {
  CHECK(holm_adjusted({0.01, 0.04, 0.03}) == std::vector<double>{0.03, 0.06, 0.06});
  CHECK(holm_adjusted({0.6, 0.7}) == std::vector<double>{1, 1});
  CHECK(holm_adjusted({}).empty());
}

TEST_CASE("quantiles of Student's t") {
  CHECK(student_t_975(1) == Approx(12.7062));
  CHECK(student_t_975(10) == Approx(2.22814));
  CHECK(student_t_975(15) == Approx(2.13145).epsilon(1e-4));
  CHECK(student_t_975(30) == Approx(2.04227).epsilon(1e-5));
  CHECK(student_t_975(100'000) == Approx(1.95999).epsilon(1e-5));
  CHECK_THROWS_AS(student_t_975(0), InvalidArgument);
}

TEST_CASE("two runs of the same thing show no difference, planted losses and gains are found") {
  const std::vector<double> medians = {3, 10, 40, 160};
  int alarms = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const auto comparison = compare_results(timed(medians, 2 * seed), timed(medians, 2 * seed + 1), 2);
    alarms +=
        comparison.text.find("slower") != std::string::npos || comparison.text.find("faster") != std::string::npos;
  }
  CHECK(alarms <= 4);
  const auto before = timed(medians, 1000), loss = timed({3, 10, 46, 160}, 1001), gain = timed({3, 10, 34, 160}, 1002);
  CHECK_FALSE(compare_results(before, timed(medians, 1003), 5).loss);
  const auto found = compare_results(before, loss, 5);
  CHECK(found.loss);
  CHECK_THAT(found.text, Contains("slower") && !Contains("faster"));
  const auto better = compare_results(before, gain, 5);
  CHECK_FALSE(better.loss);
  CHECK_THAT(better.text, Contains("faster") && !Contains("slower"));
  CHECK_FALSE(compare_results(before, timed({3, 10, 41, 160}, 1004), 5).loss);
}

TEST_CASE("a slowdown that too few runs show is no loss, and not called none either") {
  const auto before = timed({10, 40}, 1, 3), after = timed({10, 80}, 2, 3);
  const auto comparison = compare_results(before, after, 5);
  CHECK_FALSE(comparison.loss);
  CHECK_THAT(comparison.text, Contains("no difference") && Contains("unclear\n") && Contains("more --reps"));
  CHECK_THAT(compare_results(before, before, 5).text, !Contains("unclear"));
}

TEST_CASE("what the two do not share is said") {
  auto before = timed({1, 2}, 1), after = timed({1, 2, 3}, 2);
  after.threads = 1;
  after.machine.pingpong_ns = 500;
  after.commit = "fedcba";
  after.cells[1].skipped = "took more than 5 s";
  const auto text = compare_results(before, after, 5).text;
  CHECK_THAT(text, Contains("threads differs: 2 and 1") && Contains("commit differs: 0123456789 and fedcba") &&
                       Contains("fast and slow") && Contains("only after") &&
                       Contains("not run after: image model fp32 128: took more than 5 s"));
  after.cells = {image_cell("other", 64, 1)};
  CHECK_THROWS_AS(compare_results(before, after, 5), DataError);
}

}  // namespace
}  // namespace retentive::testing
