#include <cmath>
#include <string>
#include <vector>

#include <retention/kernels/decay.h>
#include <support/catch.h>
#include <support/close.h>
#include <support/fixture_file.h>

using namespace retentive;
using namespace retentive::testing;

namespace {

double relative(const std::vector<float>& actual, const std::vector<float>& reference) {
  if (actual.size() != reference.size()) return INFINITY;
  double worst = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double scale = std::max(1e-30, std::abs(static_cast<double>(reference[i])));
    worst = std::max(worst, std::abs(static_cast<double>(actual[i]) - reference[i]) / scale);
  }
  return worst;
}

double absolute(const std::vector<float>& actual, const std::vector<float>& reference) {
  if (actual.size() != reference.size()) return INFINITY;
  double worst = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(actual[i]) - reference[i]));
  }
  return worst;
}

template <class Fill>
std::vector<float> tables(const std::vector<float>& rates, int64_t side, Fill&& fill) {
  std::vector<float> out(rates.size() * side * side);
  for (size_t n = 0; n < rates.size(); ++n) fill(rates[n], out.data() + n * side * side);
  return out;
}

}  // namespace

TEST_CASE("relative position tables equal the reference's", "[decay]") {
  const auto file = models::formats::SafetensorsFile::open(fixture_path("rmt/ops_relpos.safetensors"));
  const auto description = read_fixture_json("rmt/ops_relpos.json");
  WorstDeviation angle_worst("relpos angle (relative)"), decay_worst("relpos decay (relative)");
  WorstDeviation phase_worst("relpos sin, cos (absolute)"), mask_worst("relpos mask (relative)");
  for (const auto& item : description["cases"]) {
    const std::string name = item["name"];
    const int64_t heads = item["num_heads"], dim = item["embed_dim"].get<int64_t>() / heads;
    const int64_t height = item["H"], width = item["W"];
    const auto stored_angle = fixture_values<float>(file, name + "/angle");
    const auto rates = fixture_values<float>(file, name + "/decay");

    std::vector<float> angle(dim), decay(heads), sin(height * width * dim), cos(sin.size());
    retention::rotary_angles(dim, angle.data());
    CHECK(angle_worst.add(name, relative(angle, stored_angle)) <= 1e-6);
    retention::log_gamma_rmt(heads, item["initial_value"], item["heads_range"], decay.data());
    CHECK(decay_worst.add(name, relative(decay, rates)) <= 1e-5);
    retention::rotary_table(height * width, dim, stored_angle.data(), sin.data(), cos.data());
    CHECK(phase_worst.add(name, absolute(sin, fixture_values<float>(file, name + "/sin"))) <= 2e-6);
    CHECK(phase_worst.add(name, absolute(cos, fixture_values<float>(file, name + "/cos"))) <= 2e-6);

    const auto axis = [&](int64_t side) {
      return tables(rates, side, [&](float rate, float* out) { retention::symmetric_decay(side, rate, out); });
    };
    if (item["mode"] == "full") {
      const auto mask = tables(rates, height * width,
                               [&](float rate, float* out) { retention::manhattan_decay(height, width, rate, out); });
      CHECK(mask_worst.add(name, relative(mask, fixture_values<float>(file, name + "/mask"))) <= 1e-6);
    } else {
      CHECK(mask_worst.add(name, relative(axis(height), fixture_values<float>(file, name + "/mask_h"))) <= 1e-6);
      CHECK(mask_worst.add(name, relative(axis(width), fixture_values<float>(file, name + "/mask_w"))) <= 1e-6);
    }
  }
}

TEST_CASE("rotary phases at large positions follow the float32 product", "[decay]") {
  const auto file = models::formats::SafetensorsFile::open(fixture_path("rmt/ops_relpos.safetensors"));
  const auto description = read_fixture_json("rmt/ops_relpos.json");
  WorstDeviation worst("relpos sin, cos at large index (absolute)");
  for (const auto& item : description["sampled_large"]["cases"]) {
    const std::string name = item["name"];
    const int64_t length = item["H"].get<int64_t>() * item["W"].get<int64_t>();
    const auto angle = fixture_values<float>(file, name + "/angle");
    const auto dim = static_cast<int64_t>(angle.size());
    std::vector<float> sin(length * dim), cos(length * dim), sin_rows, cos_rows;
    retention::rotary_table(length, dim, angle.data(), sin.data(), cos.data());
    for (const int64_t row : fixture_values<int64_t>(file, name + "/index")) {
      sin_rows.insert(sin_rows.end(), sin.begin() + row * dim, sin.begin() + (row + 1) * dim);
      cos_rows.insert(cos_rows.end(), cos.begin() + row * dim, cos.begin() + (row + 1) * dim);
    }
    CHECK(worst.add(name, absolute(sin_rows, fixture_values<float>(file, name + "/sin"))) <= 2e-6);
    CHECK(worst.add(name, absolute(cos_rows, fixture_values<float>(file, name + "/cos"))) <= 2e-6);
  }
}

TEST_CASE("buffers of the four published variants follow from their configuration", "[decay]") {
  const auto file = models::formats::SafetensorsFile::open(fixture_path("rmt/ops_relpos.safetensors"));
  size_t seen = 0;
  for (const auto& tensor : file.tensors()) {
    const auto dot = tensor.name.find(".stage");
    if (dot == std::string::npos || !tensor.name.ends_with("/decay")) continue;
    const auto variant = tensor.name.substr(0, dot);
    const auto keys =
        read_fixture_json("rmt/rmt_" + std::string(1, static_cast<char>(std::tolower(variant.back()))) + ".keys.json");
    const auto stage = static_cast<size_t>(tensor.name[dot + 6] - '1');
    const auto& config = keys["config"];
    const int64_t heads = config["num_heads"][stage];
    const int64_t dim = config["embed_dims"][stage].get<int64_t>() / heads;
    std::vector<float> decay(heads), angle(dim);
    retention::log_gamma_rmt(heads, config["init_values"][stage], config["heads_ranges"][stage], decay.data());
    retention::rotary_angles(dim, angle.data());
    const auto prefix = tensor.name.substr(0, tensor.name.find('/'));
    CHECK(relative(decay, fixture_values<float>(file, prefix + "/decay")) <= 1e-5);
    CHECK(relative(angle, fixture_values<float>(file, prefix + "/angle")) <= 1e-6);
    ++seen;
  }
  CHECK(seen == 16);
}

TEST_CASE("gamma schedules have their published values", "[decay]") {
  std::vector<float> rates(8);
  retention::log_gamma_retnet(8, rates.data());
  CHECK(std::exp(rates[0]) == Approx(1.0 - 1.0 / 32).epsilon(1e-6));
  CHECK(std::exp(rates[3]) == Approx(1.0 - 1.0 / 256).epsilon(1e-6));
  retention::log_gamma_log_linspace(8, rates.data());
  CHECK(std::exp(rates[0]) == Approx(1.0 - 1.0 / 32).epsilon(1e-6));
  CHECK(std::exp(rates[7]) == Approx(1.0 - 1.0 / 512).epsilon(1e-6));
  CHECK(1 - std::exp(rates[1]) == Approx(std::exp(std::log(1 / 32.) + std::log(1 / 16.) / 7)).epsilon(1e-4));
  retention::log_gamma_log_linspace(1, rates.data());
  CHECK(std::exp(rates[0]) == Approx(1.0 - 1.0 / 32).epsilon(1e-6));
  retention::log_gamma_rmt(4, 2, 4, rates.data());
  CHECK(std::exp(rates[0]) == Approx(0.75).epsilon(1e-6));
  CHECK(std::exp(rates[3]) == Approx(1.0 - 1.0 / 32).epsilon(1e-6));
}

TEST_CASE("decay tables obey their definitions", "[decay]") {
  const float rate = std::log(0.75f);
  std::vector<double> causal(25), rows(25), columns(49), grid(35 * 35);
  retention::causal_decay(5, rate, causal.data());
  CHECK(std::exp(causal[4 * 5 + 1]) == Approx(0.75 * 0.75 * 0.75));
  CHECK(causal[1 * 5 + 4] == -INFINITY);
  CHECK(causal[2 * 5 + 2] == 0);
  retention::symmetric_decay(5, rate, rows.data());
  retention::symmetric_decay(7, rate, columns.data());
  retention::manhattan_decay(5, 7, rate, grid.data());
  // D2d[(i,j),(k,l)] = D[i,k] D[j,l], in logarithms a sum.
  for (int i = 0; i < 5; ++i) {
    for (int j = 0; j < 7; ++j) {
      for (int k = 0; k < 5; ++k) {
        for (int l = 0; l < 7; ++l) {
          REQUIRE(grid[(i * 7 + j) * 35 + k * 7 + l] == Approx(rows[i * 5 + k] + columns[j * 7 + l]).margin(1e-12));
        }
      }
    }
  }
}

TEST_CASE("row sums of decay", "[decay]") {
  CHECK(retention::row_sum(0, 0) == 1);
  CHECK(retention::row_sum(0, 41) == 42);
  CHECK(retention::row_sum(std::log(0.5), 3) == Approx(1.875).epsilon(1e-14));
  for (const double rate : {std::log(1 - std::exp2(-5)), -std::exp2(-20), -std::exp2(-40)}) {
    double sum = 0;
    for (int64_t i = 0; i <= 5000; ++i) sum += std::exp(rate * static_cast<double>(i));
    CHECK(retention::row_sum(rate, 5000) == Approx(sum).epsilon(1e-12));
  }
  std::vector<float> powers(4000);
  retention::gamma_powers(std::log(0.9f), 4000, powers.data());
  CHECK(powers[0] == 1);
  CHECK(powers[7] == Approx(std::pow(0.9, 7)).epsilon(1e-6));
  CHECK(retention::gamma_power(std::log(0.9f), 7) == Approx(powers[7]).epsilon(1e-6));
  CHECK(powers[3999] == 0);
}
