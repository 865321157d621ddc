#include <chrono>
#include <cstdio>

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <nlohmann/json.hpp>

#include <bench/kernels.h>
#include <retention/base/error.h>
#include <retention/ops/masa.h>
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

KernelResult measure(const Shape& shape, Precision precision, int repetitions) {
  const auto type = precision == Precision::bf16 ? at::kBFloat16 : at::kFloat;
  const Call call(shape, type);
  KernelResult result{.name = shape.name, .precision = precision};
  // Doubles take the composed form, which shares no code with the kernels.
  const auto exact = call.run(at::kDouble);
  const auto error = (call.run(type).to(at::kDouble) - exact).abs().max().item<double>();
  result.deviation = error / std::max(1.0, exact.abs().max().item<double>());
  // bf16: rotated q and k, probabilities and the result are rounded once each.
  result.correct = result.deviation <= (precision == Precision::bf16 ? 4.0 / 256 : 1e-5);
  const auto keys = shape.decomposed ? shape.height + shape.width : shape.height * shape.width;
  result.gmacs = 2e-9 * static_cast<double>(exact.numel() * keys);
  if (!result.correct) return result;
  std::vector<double> times;
  for (int i = -5; i < repetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    call.run(type);
    const std::chrono::duration<double, std::micro> spent = std::chrono::steady_clock::now() - start;
    if (i >= 0) times.push_back(spent.count());
  }
  result.microseconds = summarise(times);
  return result;
}

}  // namespace

void measure_kernels(const std::string& filter, int threads, int repetitions,
                     const std::function<void(const KernelResult&)>& sink) {
  if (threads > 0) at::set_num_threads(threads);
  const c10::InferenceMode inference;
  bool any = false;
  for (const auto& shape : kShapes) {
    if (std::string(shape.name).find(filter) == std::string::npos) continue;
    any = true;
    for (const auto precision : {Precision::fp32, Precision::bf16}) sink(measure(shape, precision, repetitions));
  }
  if (any) return;
  std::string names;
  for (const auto& shape : kShapes) names += std::string(names.empty() ? "" : ", ") + shape.name;
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
    json["gmacs_per_s"] = result.gmacs * 1e6 / result.microseconds.median;
  }
  return json.dump();
}

std::string kernel_text(const KernelResult& result) {
  char line[160];
  if (!result.correct) {
    std::snprintf(line, sizeof line, "%-28s %-5s  WRONG: deviates by %.1e; no speed measured", result.name.c_str(),
                  std::string(enum_name(result.precision)).c_str(), result.deviation);
  } else {
    std::snprintf(line, sizeof line, "%-28s %-5s %8.1f us %7.1f GMAC/s  deviates by %.1e", result.name.c_str(),
                  std::string(enum_name(result.precision)).c_str(), result.microseconds.median,
                  result.gmacs * 1e6 / result.microseconds.median, result.deviation);
  }
  return line;
}

}  // namespace retentive::bench
