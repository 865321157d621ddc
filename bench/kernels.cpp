#include <cstdio>
#include <initializer_list>

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <nlohmann/json.hpp>

#include <bench/kernel_timing.h>
#include <bench/kernels.h>
#include <bench/kernels_boxes.h>
#include <retention/base/error.h>
#include <retention/kernels/stream.h>
#include <retention/ops/attention.h>
#include <retention/ops/masa.h>
#include <retention/ops/memory.h>
#include <retention/ops/position.h>

namespace retentive::bench {
namespace {

struct Shape {
  const char* name;
  bool decomposed;
  int64_t height, width, heads, dim;
  double decay_range;
};

constexpr Shape kShapes[] = {{"masa_decomposed_56x56x4x16", true, 56, 56, 4, 16, 4},
                             {"masa_decomposed_28x28x4x32", true, 28, 28, 4, 32, 4},
                             {"masa_decomposed_14x14x8x32", true, 14, 14, 8, 32, 6},
                             {"masa_full_14x14x8x32", false, 14, 14, 8, 32, 6},
                             {"masa_full_7x7x16x32", false, 7, 7, 16, 32, 6}};

struct Call {
  Call(const Shape& shape, at::ScalarType type)
      : decomposed(shape.decomposed),
        log_gamma(log_gamma_rmt(shape.heads, 2, shape.decay_range)),
        angle(rotary_angles(shape.dim)),
        k_scale(1 / std::sqrt(static_cast<double>(shape.dim))) {
    const auto generator = at::detail::createCPUGenerator(1);
    // As the projections leave them: side by side in one tensor.
    const auto packed = torch::randn({1, shape.height, shape.width, 3, shape.heads, shape.dim}, generator).to(type);
    for (int64_t i = 0; i < 3; ++i) inputs.push_back(packed.select(3, i));
  }

  torch::Tensor run(at::ScalarType type) const {
    const auto attend = decomposed ? &masa_decomposed : &masa;
    return attend(inputs[0].to(type), inputs[1].to(type), inputs[2].to(type), log_gamma, angle, k_scale,
                  DecayMode::release);
  }

  bool decomposed;
  std::vector<torch::Tensor> inputs;
  torch::Tensor log_gamma, angle;
  double k_scale;
};

at::ScalarType type_of(Precision precision) { return precision == Precision::bf16 ? at::kBFloat16 : at::kFloat; }

// Doubles take the composed form, which shares no code with the kernels.
void compare(KernelResult& result, const torch::Tensor& actual, const torch::Tensor& exact, double bound) {
  const auto error = (actual.to(at::kDouble) - exact).abs().max().item<double>();
  result.deviation = error / std::max(1.0, exact.abs().max().item<double>());
  result.correct = result.deviation <= bound;
}

KernelResult measure(const Shape& shape, Precision precision, int repetitions) {
  const auto type = type_of(precision);
  const Call call(shape, type);
  KernelResult result{.name = shape.name, .precision = precision};
  const auto exact = call.run(at::kDouble);
  // bf16: rotated q and k, probabilities and the result are rounded once each.
  compare(result, call.run(type), exact, precision == Precision::bf16 ? 4.0 / 256 : 1e-5);
  const auto keys = shape.decomposed ? shape.height + shape.width : shape.height * shape.width;
  result.gmacs = 2e-9 * static_cast<double>(exact.numel() * keys);
  if (result.correct) result.microseconds = time_calls(repetitions, [&](int) { call.run(type); });
  return result;
}

/// One token's attention to the cache of one layer.
struct DecodeShape {
  const char* name;
  int64_t tokens, heads, dim;
};

constexpr DecodeShape kDecodeShapes[] = {{"attention_decode_8192x4x256", 8192, 4, 256},
                                         {"attention_decode_65536x4x256", 65536, 4, 256}};

KernelResult measure(const DecodeShape& shape, Precision precision, int repetitions) {
  const auto type = type_of(precision);
  auto generator = at::detail::createCPUGenerator(1);
  // More than the processor's own caches hold: the layers of a model take turns too.
  const auto elements = 2 * shape.tokens * shape.heads * shape.dim;
  const int64_t layers = std::max<int64_t>(1, (int64_t{1} << 27) / elements);
  std::vector<torch::Tensor> caches;
  for (int64_t i = 0; i < layers; ++i) {
    caches.push_back(large_empty({2, 1, shape.heads, shape.tokens, shape.dim}, type).normal_(0, 1, generator));
  }
  // Of a size that makes few keys count: the mean of thousands of values would be right whatever the weights.
  const auto q = (8 * torch::randn({1, 1, shape.heads, shape.dim}, generator)).to(type);
  const auto run = [&](int64_t layer, at::ScalarType as) {
    const auto kv = caches[static_cast<size_t>(layer % layers)].to(as).transpose(2, 3);  // [2, B, T, N, D]
    return attention_decode(q.to(as), kv[0], kv[1]);
  };
  KernelResult result{.name = shape.name, .precision = precision};
  // bf16: the result is rounded once.
  compare(result, run(0, type), run(0, at::kDouble), precision == Precision::bf16 ? 1.0 / 256 : 1e-5);
  result.gmacs = 1e-9 * static_cast<double>(elements);
  if (!result.correct) return result;
  result.read_gb = result.gmacs * static_cast<double>(c10::elementSize(type));
  const auto bandwidth = [] { return retention::read_bandwidth(int64_t{1} << 29, at::get_num_threads()) * 1e-9; };
  const double before = bandwidth();
  result.microseconds = time_calls(repetitions, [&](int i) { run(i, type); });
  result.read_gb_per_s = std::max(before, bandwidth());
  return result;
}

}  // namespace

void measure_kernels(const std::string& filter, int threads, int repetitions,
                     const std::function<void(const KernelResult&)>& sink) {
  if (threads > 0) at::set_num_threads(threads);
  const c10::InferenceMode inference;
  bool any = false;
  std::string names;
  const auto run = [&](const auto& shapes, std::initializer_list<Precision> precisions) {
    for (const auto& shape : shapes) {
      names += std::string(names.empty() ? "" : ", ") + shape.name;
      if (std::string(shape.name).find(filter) == std::string::npos) continue;
      any = true;
      for (const auto precision : precisions) sink(measure(shape, precision, repetitions));
    }
  };
  run(kShapes, {Precision::fp32, Precision::bf16});
  run(kDecodeShapes, {Precision::fp32, Precision::bf16});
  run(kNmsShapes, {Precision::fp32});
  run(kRoiAlignShapes, {Precision::fp32, Precision::bf16});
  if (any) return;
  throw InvalidArgument("[bench] no kernel's name contains \"" + filter + "\"; there are " + names);
}

std::string kernel_json(const KernelResult& result) {
  nlohmann::ordered_json json = {{"name", result.name},
                                 {"precision", enum_name(result.precision)},
                                 {"correct", result.correct},
                                 {"deviation", result.deviation}};
  if (result.correct) {
    json["median_us"] = result.microseconds.median;
    json["p10_us"] = result.microseconds.p10;
    json["p90_us"] = result.microseconds.p90;
    if (result.gmacs > 0) json["gmacs_per_s"] = result.gmacs * 1e6 / result.microseconds.median;
  }
  if (result.read_gb > 0) {
    json["read_gb_per_s"] = result.read_gb_per_s;
    json["bandwidth_share"] = result.bandwidth_share();
  }
  return json.dump();
}

std::string kernel_text(const KernelResult& result) {
  const std::string precision(enum_name(result.precision));
  char line[160], speed[32] = "", bandwidth[64] = "";
  if (!result.correct) {
    std::snprintf(line, sizeof line, "%-28s %-5s  WRONG: deviates by %.1e; no speed measured", result.name.c_str(),
                  precision.c_str(), result.deviation);
    return line;
  }
  if (result.read_gb > 0) {
    std::snprintf(bandwidth, sizeof bandwidth, ", %.0f %% of the %.1f GB/s that memory gives",
                  100 * result.bandwidth_share(), result.read_gb_per_s);
  }
  if (result.gmacs > 0) {
    std::snprintf(speed, sizeof speed, " %7.1f GMAC/s", result.gmacs * 1e6 / result.microseconds.median);
  }
  std::snprintf(line, sizeof line, "%-28s %-5s %8.1f us%s  deviates by %.1e", result.name.c_str(), precision.c_str(),
                result.microseconds.median, speed, result.deviation);
  return std::string(line) + bandwidth;
}

}  // namespace retentive::bench
