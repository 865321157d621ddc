#include <array>
#include <cmath>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <retention/base/bfloat16.h>
#include <retention/base/cpu_isa.h>
#include <retention/packed/conv2d.h>
#include <retention/packed/gemm.h>
#include <retention/packed/linear.h>
#include <support/catch.h>
#include <support/close.h>

using namespace retentive;
using namespace retentive::packed;
using namespace retentive::testing;

namespace {

std::vector<float> normal(int64_t count, uint64_t seed, float scale = 1) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> distribution(0, scale);
  std::vector<float> values(count);
  for (float& value : values) value = distribution(random);
  return values;
}

double activate(double x, Activation activation) {
  if (activation == Activation::gelu) return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
  return activation == Activation::silu ? x / (1 + std::exp(-x)) : x;
}

// Input of a precision with the values that it stands for.
struct Input {
  Input(std::vector<float> x, int64_t rows, Precision precision) : values(std::move(x)), scales(rows, 1.0f) {
    const int64_t columns = static_cast<int64_t>(values.size()) / rows;
    for (int64_t r = 0; r < rows && precision == Precision::int8; ++r) {
      float* row = values.data() + r * columns;
      for (int64_t c = 0; c < columns; ++c) scales[r] = std::max(scales[r], std::abs(row[c]));
      scales[r] /= 127;
      for (int64_t c = 0; c < columns; ++c) {
        bytes.push_back(static_cast<int8_t>(std::lrint(row[c] / scales[r])));
        row[c] = static_cast<float>(bytes.back()) * scales[r];
      }
    }
    for (float& value : values) {
      if (precision != Precision::bf16) continue;
      halves.emplace_back(value);
      value = static_cast<float>(halves.back());
    }
  }

  const void* data() const {
    if (!bytes.empty()) return bytes.data();
    return halves.empty() ? static_cast<const void*>(values.data()) : halves.data();
  }

  std::vector<float> values, scales;
  std::vector<int8_t> bytes;
  std::vector<bfloat16> halves;
};

bool runs(Precision precision) {
  if (precision == Precision::int4) return cpu_isa() >= Isa::avx2;
  return precision == Precision::fp32 || cpu_isa() == Isa::avx512_bf16 ||
         (precision == Precision::int8 && cpu_isa() >= Isa::avx512);
}

// Relative bound of a product against one of rounded weights: 2^-8 per bf16 factor, half a step of 127 for int8.
double bound(Precision precision) {
  return precision == Precision::fp32 ? 1e-5 : precision == Precision::bf16 ? 0.0079 : 0.02;
}

}  // namespace

TEST_CASE("packed linear equals the plain product", "[packed]") {
  for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8}) {
    if (!runs(precision)) continue;
    WorstDeviation worst("packed linear " + std::string(enum_name(precision)));
    for (const auto& [in, out] : {std::pair<int64_t, int64_t>{64, 192}, {20, 7}, {1, 1}, {80, 33}, {512, 64}}) {
      const auto weight = normal(in * out, 1, 1 / std::sqrt(static_cast<float>(in))), bias = normal(out, 2);
      const Linear linear(in, out, precision, weight.data(), bias.data());
      for (const int64_t rows : {1, 2, 9, 16, 17, 33, 63, 197}) {
        const Input x(normal(rows * in, 3), rows, precision);
        for (const auto activation : {Activation::none, Activation::gelu, Activation::silu}) {
          for (const bool accumulate : {false, true}) {
            auto y = accumulate ? normal(rows * out, 4) : std::vector<float>(rows * out, NAN);
            auto expected = y;
            for (int64_t i = 0; i < rows * out; ++i) {
              double sum = bias[i % out];
              for (int64_t k = 0; k < in; ++k) sum += double(x.values[i / out * in + k]) * weight[i % out * in + k];
              expected[i] = static_cast<float>((accumulate ? expected[i] : 0) + activate(sum, activation));
            }
            linear.run(rows, x.data(), x.scales.data(), y.data(),
                       {.activation = activation, .accumulate = accumulate, .threads = 2});
            const auto where = std::to_string(rows) + "x" + std::to_string(in) + "x" + std::to_string(out);
            CHECK(worst.add(where, deviation(y, expected)) < bound(precision));
          }
        }
      }
    }
  }
}

TEST_CASE("few rows and many rows of a packed linear agree", "[packed]") {
  for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8, Precision::int4}) {
    if (!runs(precision)) continue;
    WorstDeviation worst("few rows and many " + std::string(enum_name(precision)));
    for (const int64_t in : {1, 7, 20, 63, 1000}) {
      for (const int64_t out : {1, 7, 20, 63, 1000}) {
        const auto weight = normal(in * out, 1, 1 / std::sqrt(static_cast<float>(in))), bias = normal(out, 2);
        const Linear linear(in, out, precision, weight.data(), in % 2 == 0 ? nullptr : bias.data());
        constexpr int64_t most = 64;
        const Input x(normal(most * in, 3), most, precision);
        const auto run = [&](int64_t rows, int threads) {
          std::vector<float> y(rows * out, NAN);
          linear.run(rows, x.data(), x.scales.data(), y.data(), {.activation = Activation::silu, .threads = threads});
          return y;
        };
        const auto all = run(most, 2);
        for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 31, 32, 33}) {
          const auto y = run(rows, 2);
          const auto where = std::to_string(rows) + "x" + std::to_string(in) + "x" + std::to_string(out);
          const std::vector<float> expected(all.begin(), all.begin() + rows * out);
          // The same sums in another order, or with another function for the activation.
          CHECK(worst.add(where, deviation(y, expected)) < 1e-5);
          // oneDNN's products for AVX2 divide the sums among the threads.
          const bool lawful = precision == Precision::int4 || cpu_isa() >= Isa::avx512;
          if (lawful && rows % 4 == 1) CHECK((run(rows, 1) == y && run(rows, 3) == y));
          if (precision == Precision::int4) CHECK(y == expected);
        }
      }
    }
  }
}

TEST_CASE("packed int4 is as near to the plain product as its weights", "[packed]") {
  if (!runs(Precision::int4)) return;
  constexpr int64_t in = 1000, out = 333, rows = 5;
  const auto weight = normal(in * out, 1), x = normal(rows * in, 3);
  const Linear linear(in, out, Precision::int4, weight.data(), nullptr);
  CHECK(linear.bytes() * 8 == 6 * 64 * 1024 * 9 / 2);
  std::vector<float> y(rows * out, NAN);
  linear.run(rows, x.data(), nullptr, y.data(), {.threads = 2});
  double error = 0, size = 0;
  for (int64_t i = 0; i < rows * out; ++i) {
    double sum = 0;
    for (int64_t k = 0; k < in; ++k) sum += double(x[i / out * in + k]) * weight[i % out * in + k];
    error += (y[i] - sum) * (y[i] - sum);
    size += sum * sum;
  }
  // Errors of weights add up as the products do: 0.0734 of the size, and 0.005 for the inputs' int8.
  CHECK(std::sqrt(error / size) < 0.08);
  CHECK(std::sqrt(error / size) > 0.06);
}

TEST_CASE("a packed linear says what runs", "[packed]") {
  const std::vector<float> weight(64 * 64, 1.0f);
  const auto name = Linear(64, 64, Precision::fp32, weight.data(), nullptr).implementation();
  INFO(name);
  if (cpu_isa() >= Isa::avx512) {
    CHECK(name.find("streaming") != std::string::npos);
  } else {
    CHECK(name.find("also for few rows: ") != std::string::npos);
  }
}

TEST_CASE("packed linear writes bf16", "[packed]") {
  if (!runs(Precision::bf16)) return;
  const auto weight = normal(64 * 32, 1, 0.1f), bias = normal(32, 2);
  const Linear linear(64, 32, Precision::bf16, weight.data(), bias.data());
  const Input x(normal(65 * 64, 3), 65, Precision::bf16);
  std::vector<float> y(65 * 32);
  std::vector<bfloat16> half(65 * 32);
  linear.run(65, x.data(), nullptr, y.data(), {.threads = 2});
  linear.run(65, x.data(), nullptr, half.data(), {.output = Element::bf16, .threads = 2});
  for (size_t i = 0; i < y.size(); ++i) CHECK(bfloat16(y[i]).bits == half[i].bits);
}

TEST_CASE("one packed linear serves several threads at once", "[packed]") {
  const auto weight = normal(96 * 80, 1, 0.1f), bias = normal(80, 2);
  for (const auto precision : {Precision::fp32, Precision::int4}) {
    if (!runs(precision)) continue;
    const Linear linear(96, 80, precision, weight.data(), bias.data());
    const auto x = normal(50 * 96, 3);
    std::vector<std::vector<float>> results(4);
    {
      std::vector<std::jthread> threads;
      for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
          for (int64_t rows = 1; rows <= 50; ++rows) {
            results[t].assign(rows * 80, NAN);
            linear.run(rows, x.data(), nullptr, results[t].data(), {.threads = 1});
          }
          // Few rows too, behind the many.
          results[t].resize(58 * 80, NAN);
          linear.run(8, x.data(), nullptr, results[t].data() + 50 * 80, {.threads = 1});
        });
      }
    }
    std::vector<float> expected(58 * 80);
    linear.run(50, x.data(), nullptr, expected.data(), {.threads = 1});
    linear.run(8, x.data(), nullptr, expected.data() + 50 * 80, {.threads = 1});
    for (const auto& result : results) CHECK(result == expected);
  }
}

TEST_CASE("packed convolution equals the plain sum", "[packed]") {
  for (const auto precision : {Precision::fp32, Precision::bf16}) {
    if (!runs(precision)) continue;
    WorstDeviation worst("packed convolution " + std::string(enum_name(precision)));
    for (const auto& [in, out, stride] :
         {std::tuple<int64_t, int64_t, int64_t>{3, 32, 2}, {32, 32, 1}, {64, 128, 2}, {5, 7, 2}}) {
      const auto weight = normal(out * in * 9, 1, 1 / std::sqrt(9.0f * in)), bias = normal(out, 2);
      const Conv2d conv({.in_channels = in, .out_channels = out, .stride = stride}, precision, weight.data(),
                        bias.data());
      for (const auto& [h, w] : {std::pair<int64_t, int64_t>{1, 1}, {7, 5}, {14, 14}, {25, 42}}) {
        const int64_t oh = (h + stride - 1) / stride, ow = (w + stride - 1) / stride, batch = 2;
        const Input x(normal(batch * h * w * in, 3), 1, precision);
        std::vector<float> y(batch * oh * ow * out, NAN), expected(y.size());
        for (int64_t i = 0; i < static_cast<int64_t>(y.size()); ++i) {
          const int64_t o = i % out, ox = i / out % ow, oy = i / out / ow % oh, b = i / out / ow / oh;
          double sum = bias[o];
          for (int64_t ky = 0; ky < 3; ++ky) {
            for (int64_t kx = 0; kx < 3; ++kx) {
              const int64_t iy = oy * stride + ky - 1, ix = ox * stride + kx - 1;
              if (iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
              for (int64_t c = 0; c < in; ++c) {
                sum += double(x.values[((b * h + iy) * w + ix) * in + c]) * weight[((o * in + c) * 3 + ky) * 3 + kx];
              }
            }
          }
          expected[i] = static_cast<float>(activate(sum, Activation::gelu));
        }
        conv.run(x.data(), y.data(),
                 {.batch = batch, .height = h, .width = w, .activation = Activation::gelu, .threads = 2});
        const auto where =
            std::to_string(h) + "x" + std::to_string(w) + " " + std::to_string(in) + "->" + std::to_string(out);
        CHECK(worst.add(where, deviation(y, expected)) < bound(precision));
      }
    }
  }
}

TEST_CASE("plain products equal the sums in double", "[packed]") {
  WorstDeviation worst("gemm");
  for (const auto [m, n, k] :
       {std::array<int64_t, 3>{1, 1, 1}, {7, 5, 3}, {64, 192, 33}, {1, 1000, 64}, {48, 16, 3137}}) {
    for (const int variant : {0, 1, 2, 3, 4, 5, 6, 7}) {
      const GemmShape shape{m, n, k, (variant & 1) != 0, (variant & 2) != 0};
      const bool accumulate = (variant & 4) != 0;
      const auto a = normal(m * k, 1), b = normal(k * n, 2), before = normal(m * n, 3);
      std::vector<double> expected(m * n);
      for (int64_t i = 0; i < m; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          double sum = accumulate ? before[i * n + j] : 0;
          for (int64_t l = 0; l < k; ++l) {
            sum += static_cast<double>(a[shape.transpose_a ? l * m + i : i * k + l]) *
                   b[shape.transpose_b ? j * k + l : l * n + j];
          }
          expected[i * n + j] = sum;
        }
      }
      for (const int threads : {1, 2}) {
        auto c = accumulate ? before : std::vector<float>(m * n, NAN);
        gemm(shape, a.data(), b.data(), c.data(), {accumulate, threads});
        CHECK(worst.add(std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k), deviation(c, expected)) <
              1e-5);
        if (!shape.transpose_b || shape.transpose_a || accumulate) continue;
        const auto bias = normal(n, 4);
        auto with_bias = expected;
        for (int64_t i = 0; i < m * n; ++i) with_bias[i] += bias[i % n];
        c.assign(m * n, NAN);
        affine(m, k, n, a.data(), b.data(), bias.data(), c.data(), threads);
        CHECK(worst.add("affine", deviation(c, with_bias)) < 1e-5);
      }
    }
  }
}
