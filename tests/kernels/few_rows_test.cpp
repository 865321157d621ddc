#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <kernels/random_values.h>
#include <retention/base/bfloat16.h>
#include <retention/base/large_pages.h>
#include <retention/kernels/few_rows.h>
#include <support/catch.h>
#include <support/close.h>

using namespace retentive;
using namespace retentive::testing;
using retention::FewRowsType;
using retention::kPanelWidth;

namespace {

constexpr FewRowsType kTypes[] = {FewRowsType::f32, FewRowsType::bf16, FewRowsType::s8};

int64_t bytes_of(FewRowsType type) { return type == FewRowsType::f32 ? 4 : type == FewRowsType::bf16 ? 2 : 1; }

// Values that the number type holds exactly.
std::vector<float> values_of(FewRowsType type, int64_t count, uint64_t seed) {
  auto values = normal(count, seed);
  if (type == FewRowsType::bf16) return rounded(values);
  for (float& value : values) {
    if (type == FewRowsType::s8) value = std::nearbyint(std::fmax(-127.0f, std::fmin(127.0f, 60 * value)));
  }
  return values;
}

void put(FewRowsType type, float value, char* to) {
  const bfloat16 half(value);
  if (type == FewRowsType::f32) std::memcpy(to, &value, sizeof(value));
  if (type == FewRowsType::bf16) std::memcpy(to, &half, sizeof(half));
  if (type == FewRowsType::s8) *to = static_cast<char>(static_cast<int8_t>(value));
}

std::vector<char> encoded(FewRowsType type, const std::vector<float>& values) {
  std::vector<char> bytes(values.size() * bytes_of(type));
  for (size_t i = 0; i < values.size(); ++i) put(type, values[i], bytes.data() + i * bytes_of(type));
  return bytes;
}

// A linear map with its weights in panels.
struct Map {
  Map(FewRowsType number, int64_t inputs, int64_t outputs)
      : type(number), in(inputs), out(outputs), weight(values_of(type, in * out, 1)), bias(normal(out, 2)) {
    const int64_t pack = 4 / bytes_of(type), words = (in + pack - 1) / pack;
    const int64_t bytes = (out + kPanelWidth - 1) / kPanelWidth * words * kPanelWidth * 4;
    memory = allocate_large(bytes);
    auto* const to = static_cast<char*>(memory.get());
    std::memset(to, 0, bytes);
    for (int64_t o = 0; o < out; ++o) {
      float sum = 0;
      for (int64_t i = 0; i < in; ++i) {
        const int64_t word = (o / kPanelWidth * words + i / pack) * kPanelWidth + o % kPanelWidth;
        put(type, weight[o * in + i], to + word * 4 + i % pack * bytes_of(type));
        sum += weight[o * in + i];
      }
      scales.push_back(1e-5f * static_cast<float>(1 + o % 5));
      compensation.push_back(static_cast<int32_t>(-128 * sum));
    }
    panels = {in, out, words * kPanelWidth, static_cast<const float*>(memory.get())};
  }

  void run(int64_t rows, const char* x, const float* row_scales, const retention::LinearOutput& y, int threads) const {
    retention::few_rows(type)({rows, panels, {row_scales, scales.data(), compensation.data()}}, x, y, threads);
  }

  double sum(const float* x, float row_scale, int64_t o) const {
    double total = 0;
    for (int64_t i = 0; i < in; ++i) total += static_cast<double>(x[i]) * weight[o * in + i];
    return (type == FewRowsType::s8 ? total * scales[o] * row_scale : total) + bias[o];
  }

  FewRowsType type;
  int64_t in, out;
  std::vector<float> weight, bias, scales;
  std::vector<int32_t> compensation;
  std::shared_ptr<void> memory;
  retention::PanelWeights panels;
};

double activate(double x, Activation activation) {
  if (activation == Activation::gelu) return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
  return activation == Activation::silu ? x / (1 + std::exp(-x)) : x;
}

}  // namespace

TEST_CASE("few rows times panels equal the sums in double", "[few_rows]") {
  for (const auto type : kTypes) {
    if (retention::few_rows(type) == nullptr) continue;
    WorstDeviation worst("few rows, " + std::to_string(bytes_of(type)) + " bytes a value");
    for (const int64_t in : {1, 7, 20, 63, 1000}) {
      for (const int64_t out : {1, 7, 20, 63, 130}) {
        const Map map(type, in, out);
        for (int64_t rows = 1; rows <= retention::kFewRows; ++rows) {
          const auto x = values_of(type, rows * in, 3), scales = normal(rows, 4);
          const auto activation = static_cast<Activation>(rows % 3);
          const bool accumulate = rows % 2 == 1;
          auto y = accumulate ? normal(rows * out, 5) : std::vector<float>(rows * out, NAN);
          std::vector<float> expected(y);
          for (int64_t i = 0; i < rows * out; ++i) {
            const double value = activate(map.sum(x.data() + i / out * in, scales[i / out], i % out), activation);
            expected[i] = static_cast<float>((accumulate ? y[i] : 0) + value);
          }
          map.run(rows, encoded(type, x).data(), scales.data(),
                  {.floats = y.data(), .bias = map.bias.data(), .activation = activation, .accumulate = accumulate}, 2);
          const auto where = std::to_string(rows) + "x" + std::to_string(in) + "x" + std::to_string(out);
          CHECK(worst.add(where, deviation(y, expected)) < 1e-5);
        }
      }
    }
  }
}

TEST_CASE("a row among few has the same bits alone and for any number of threads", "[few_rows]") {
  for (const auto type : kTypes) {
    if (retention::few_rows(type) == nullptr) continue;
    constexpr int64_t in = 150, out = 200, rows = retention::kFewRows;
    const Map map(type, in, out);
    const auto x = encoded(type, values_of(type, rows * in, 3));
    const auto scales = normal(rows, 4);
    const auto run = [&](int64_t first, int64_t count, int threads) {
      std::vector<float> y(count * out, NAN);
      map.run(count, x.data() + first * in * bytes_of(type), scales.data() + first,
              {.floats = y.data(), .bias = map.bias.data(), .activation = Activation::silu}, threads);
      return y;
    };
    const auto all = run(0, rows, 1);
    CHECK(run(0, rows, 2) == all);
    CHECK(run(0, rows, 3) == all);
    for (int64_t row = 0; row < rows; ++row) {
      CHECK(run(row, 1, 2) == std::vector<float>(all.begin() + row * out, all.begin() + (row + 1) * out));
    }
    std::vector<bfloat16> half(rows * out);
    map.run(rows, x.data(), scales.data(),
            {.halves = half.data(), .bias = map.bias.data(), .activation = Activation::silu}, 2);
    CHECK(widened(half) == rounded(all));
  }
}

TEST_CASE("few rows name what they pass over", "[few_rows]") {
  std::vector<retention::Declined> declined;
  const bool runs = retention::few_rows(FewRowsType::bf16, &declined) != nullptr;
  CHECK(runs == (cpu_isa() == Isa::avx512_bf16));
  CHECK(declined.empty() == runs);
}
