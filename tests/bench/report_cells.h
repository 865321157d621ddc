#pragma once

#include <cmath>
#include <random>
#include <string>

#include <bench/report/results.h>

namespace retentive::testing {

/// A cell of images of `side` pixels cut into patches of 16, with five times around `ms`.
inline bench::Cell image_cell(const std::string& model, int64_t side, double ms, const std::string& mixer = "retention",
                              const std::string& form = "") {
  bench::Cell cell{.model = model, .mixer = mixer, .form = form, .precision = "fp32", .height = side, .width = side};
  cell.tokens = (side / 16) * (side / 16);
  cell.times_ms = {ms, 0.98 * ms, 1.02 * ms, 0.99 * ms, 1.01 * ms};
  cell.gmacs = 1;
  cell.loaded_rss_mb = 200;
  cell.peak_rss_mb = 200 + 0.01 * static_cast<double>(cell.tokens);
  return cell;
}

inline bench::Results results_of(std::vector<bench::Cell> cells) {
  bench::Results results;
  results.created = "2026-11-22T21:40:00Z";
  results.commit = "0123456789";
  results.command = "retentive bench scaling --models a,b";
  results.machine = {.cpu = "A processor",
                     .isa = "avx2",
                     .cores = 2,
                     .retentive = "0.1.0",
                     .libtorch = "2.13.0",
                     .onednn = "3.2.0",
                     .load = 0.5,
                     .pingpong_ns = 80};
  results.threads = 2;
  results.peak_gmacs_per_s = {{"fp32", 200}};
  results.read_gb_per_s = 40;
  results.cells = std::move(cells);
  return results;
}

/// `count` values around `median` with a spread of 3 %.
inline std::vector<double> noisy(double median, int count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> noise(1, 0.03);
  std::vector<double> values;
  for (int i = 0; i < count; ++i) values.push_back(median * noise(random));
  return values;
}

}  // namespace retentive::testing
