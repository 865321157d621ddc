#include <cmath>

#include <torch/torch.h>

#include <bench/kernel_timing.h>
#include <bench/kernels_boxes.h>
#include <retention/kernels/boxes_reference.h>
#include <retention/ops/boxes.h>

namespace retentive::bench {
namespace {

using torch::Tensor;

constexpr double kHeight = 800, kWidth = 1344, kNmsThreshold = 0.7;

// Boxes inside the image whose sides are between `least` and `most`, evenly in their logarithms: [count, 4].
Tensor random_boxes(int64_t count, double least, double most) {
  auto generator = at::detail::createCPUGenerator(1);
  const auto size = least * torch::pow(most / least, torch::rand({count, 2}, generator));
  const auto corner = torch::rand({count, 2}, generator) * (torch::tensor({kWidth, kHeight}, torch::kFloat) - size);
  return torch::cat({corner, corner + size}, 1);
}

struct Level {
  double scale;
  Tensor maps, rois;

  Tensor run(int64_t output) const { return roi_align(maps, rois, scale, output, output); }

  // The same by the plain loops.
  Tensor exact(int64_t output) const {
    const auto features = maps.permute({0, 2, 3, 1}).to(torch::kFloat).contiguous();
    const auto out = torch::empty({rois.size(0), output, output, maps.size(1)});
    retention::roi_align_reference({.height = maps.size(2),
                                    .width = maps.size(3),
                                    .channels = maps.size(1),
                                    .out_height = output,
                                    .out_width = output,
                                    .spatial_scale = static_cast<float>(scale)},
                                   features.const_data_ptr<float>(), rois.const_data_ptr<float>(), rois.size(0),
                                   out.mutable_data_ptr<float>());
    return out.permute({0, 3, 1, 2});
  }

  // Four for every sample.
  double macs(int64_t output) const {
    const auto sides = (rois.slice(1, 3, 5) - rois.slice(1, 1, 3)) * scale / output;
    return 4.0 * sides.ceil().prod(1).sum().item<double>() * static_cast<double>(output * output * maps.size(1));
  }
};

// Each region on the level where it has some 14 pixels a side.
std::vector<Level> pyramid(const RoiAlignShape& shape, at::ScalarType type) {
  const auto boxes = random_boxes(shape.rois, 16, 600);
  const auto size = (boxes.slice(1, 2, 4) - boxes.slice(1, 0, 2)).prod(1).sqrt();
  const auto level_of = torch::log2(size / 56 + 1e-6).floor().clamp(0, 3);
  auto generator = at::detail::createCPUGenerator(3);
  std::vector<Level> levels;
  for (int64_t i = 0; i < 4; ++i) {
    const double scale = 0.25 / static_cast<double>(1 << i);
    const auto height = static_cast<int64_t>(kHeight * scale), width = static_cast<int64_t>(kWidth * scale);
    const auto maps = torch::randn({1, height, width, shape.channels}, generator).to(type).permute({0, 3, 1, 2});
    const auto rows = boxes.index({level_of == static_cast<double>(i)});
    levels.push_back({scale, maps, torch::cat({torch::zeros({rows.size(0), 1}), rows}, 1).contiguous()});
  }
  return levels;
}

}  // namespace

KernelResult measure(const NmsShape& shape, Precision precision, int repetitions) {
  KernelResult result{.name = shape.name, .precision = precision};
  const auto boxes = random_boxes(shape.boxes, 8, 200);
  auto generator = at::detail::createCPUGenerator(2);
  const auto scores = torch::rand({shape.boxes}, generator);
  const auto expected = torch::empty({shape.boxes}, torch::kLong);
  const auto count = retention::nms_reference(boxes.const_data_ptr<float>(), scores.const_data_ptr<float>(),
                                              shape.boxes, kNmsThreshold, expected.mutable_data_ptr<int64_t>());
  result.correct = torch::equal(nms(boxes, scores, kNmsThreshold), expected.slice(0, 0, count));
  if (!result.correct) result.deviation = INFINITY;
  if (result.correct) result.microseconds = time_calls(repetitions, [&](int) { nms(boxes, scores, kNmsThreshold); });
  return result;
}

KernelResult measure(const RoiAlignShape& shape, Precision precision, int repetitions) {
  const auto levels = pyramid(shape, precision == Precision::bf16 ? torch::kBFloat16 : torch::kFloat);
  KernelResult result{.name = shape.name, .precision = precision};
  for (const auto& level : levels) {
    const auto exact = level.exact(shape.output);
    const auto error = (level.run(shape.output).to(torch::kFloat) - exact).abs().max().item<double>();
    result.deviation = std::max(result.deviation, error / std::max(1.0, exact.abs().max().item<double>()));
    result.gmacs += 1e-9 * level.macs(shape.output);
  }
  // bf16: the result is rounded once.
  result.correct = result.deviation <= (precision == Precision::bf16 ? 1.0 / 256 : 1e-5);
  if (!result.correct) return result;
  result.microseconds = time_calls(repetitions, [&](int) {
    for (const auto& level : levels) level.run(shape.output);
  });
  return result;
}

}  // namespace retentive::bench
