#include <cmath>
#include <vector>

#include <torch/torch.h>

#include <retention/base/error.h>
#include <support/tensors.h>
#include <vision/detection/anchors.h>
#include <vision/detection/losses.h>
#include <vision/detection/matcher.h>
#include <vision/detection/neck.h>
#include <vision/detection/roi_heads.h>

namespace retentive::vision {
namespace {

using testing::deviation;
using testing::random_tensor;
using torch::Tensor;

at::Generator generator(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

TEST_CASE("anchors are centred on the corners of their cells, ratios first") {
  const AnchorGenerator anchors({.strides = {8, 16}, .scales = {4, 8}, .ratios = {0.25, 1, 4}});
  CHECK(anchors.per_cell() == 6);
  const auto grid = anchors.grid(0, 2, 3);
  REQUIRE(grid.sizes() == at::IntArrayRef({2 * 3 * 6, 4}));
  // Scale 4 on stride 8: side 32; ratio 1/4: height 16, width 64. Scale 8: twice that.
  CHECK(torch::equal(grid[0], torch::tensor({-32.f, -8.f, 32.f, 8.f})));
  CHECK(torch::equal(grid[1], torch::tensor({-64.f, -16.f, 64.f, 16.f})));
  CHECK(torch::equal(grid[2], torch::tensor({-16.f, -16.f, 16.f, 16.f})));
  CHECK(torch::equal(grid[5], torch::tensor({-16.f, -64.f, 16.f, 64.f})));
  // Cell (row 1, column 2) begins at (16, 8).
  CHECK(torch::equal(grid[(1 * 3 + 2) * 6 + 2], torch::tensor({0.f, -8.f, 32.f, 24.f})));
  CHECK(torch::equal(anchors.grid(1, 1, 1)[2], torch::tensor({-32.f, -32.f, 32.f, 32.f})));
}

TEST_CASE("anchors of cells in the padding are outside") {
  const AnchorGenerator anchors({.strides = {8}, .scales = {4}, .ratios = {1, 2}});
  // 16 x 9 pixels of a 3 x 3 grid of stride 8: rows at 0 and 8, columns at 0 and 8.
  const auto inside = anchors.inside(0, 3, 3, 16, 9).view({3, 3, 2});
  CHECK(inside.sum().item<int64_t>() == 2 * 2 * 2);
  CHECK(inside[1][1][0].item<bool>());
  CHECK_FALSE(inside[2][0][1].item<bool>());
  CHECK_FALSE(inside[0][2][1].item<bool>());
}

TEST_CASE("scales within an octave") {
  const auto scales = octave_scales(4, 3);
  REQUIRE(scales.size() == 3);
  CHECK(scales[0] == 4);
  CHECK(scales[1] == Approx(5.0396842));
  CHECK(scales[2] == Approx(6.3496042));
}

TEST_CASE("boxes are matched by overlap, objects keep their best boxes") {
  // Two objects, five boxes.
  const auto overlaps = torch::tensor({0.6f, 0.45f, 0.1f, 0.0f, 0.3f, 0.2f, 0.1f, 0.1f, 0.0f, 0.35f}).view({2, 5});
  const auto plain = match(overlaps, {.positive = 0.5, .negative = 0.4, .low_quality = 2});
  CHECK(torch::equal(plain, torch::tensor({0, -2, -1, -1, -1}, torch::kLong)));
  const auto kept = match(overlaps, {.positive = 0.5, .negative = 0.4, .low_quality = 0});
  CHECK(torch::equal(kept, torch::tensor({0, -2, -1, -1, 1}, torch::kLong)));
  const auto strict = match(overlaps, {.positive = 0.5, .negative = 0.4, .low_quality = 0.36});
  CHECK(torch::equal(strict, torch::tensor({0, -2, -1, -1, -1}, torch::kLong)));
  // An object without any overlap claims nothing, and no objects at all leave background.
  const auto nothing = match(torch::zeros({1, 3}), {.positive = 0.5, .negative = 0.4, .low_quality = 0});
  CHECK(torch::equal(nothing, torch::full({3}, kBackground, torch::kLong)));
  CHECK(torch::equal(match(torch::zeros({0, 3}), {}), torch::full({3}, kBackground, torch::kLong)));
}

TEST_CASE("samples keep the share of positives and are drawn from the generator") {
  auto matched = torch::full({1000}, kBackground, torch::kLong);
  matched.slice(0, 0, 100).fill_(3);
  matched.slice(0, 100, 200).fill_(kIgnored);
  const auto [positive, background] = sample(matched, 64, 0.25, generator(1));
  CHECK(positive.size(0) == 16);
  CHECK(background.size(0) == 48);
  CHECK(positive.max().item<int64_t>() < 100);
  CHECK(background.min().item<int64_t>() >= 200);
  const auto [again, more] = sample(matched, 64, 0.25, generator(1));
  CHECK(torch::equal(positive, again));
  CHECK_FALSE(torch::equal(positive, sample(matched, 64, 0.25, generator(2)).first));
  const auto [few, many] = sample(matched, 1000, 0.5, generator(1));
  CHECK(few.size(0) == 100);
  CHECK(many.size(0) == 800);
}

// The definition of Lin et al., equation 5, in double.
Tensor naive_focal(const Tensor& logits, const Tensor& labels) {
  const auto target = torch::zeros_like(logits);
  for (int64_t i = 0; i < labels.size(0); ++i) {
    const auto label = labels[i].item<int64_t>();
    if (label >= 0) target[i][label] = 1;
  }
  const auto p = torch::sigmoid(logits);
  const auto pt = p * target + (1 - p) * (1 - target);
  const auto alpha = 0.25 * target + 0.75 * (1 - target);
  return (-alpha * (1 - pt).pow(2) * pt.log()).sum();
}

TEST_CASE("focal loss and its gradient equal the definition") {
  for (const int64_t n : {1, 7, 40'000}) {
    auto logits = (random_tensor({n, 3}, 1) * 3).requires_grad_();
    const auto labels = torch::randint(-1, 3, {n}, generator(2), torch::kLong);
    auto exact = logits.detach().to(torch::kDouble).requires_grad_();
    const auto reference = naive_focal(exact, labels);
    const auto loss = focal_loss(logits, labels);
    CHECK(loss.item<double>() == Approx(reference.item<double>()).epsilon(1e-5));
    (loss * 2).backward();
    (reference * 2).backward();
    CHECK(deviation(logits.grad(), exact.grad()) <= 1e-6);
  }
  auto extreme = torch::tensor({200.f, -200.f, 200.f, -200.f}).view({2, 2}).requires_grad_();
  const auto loss = focal_loss(extreme, torch::tensor({1, -1}, torch::kLong));
  loss.backward();
  CHECK(std::isfinite(loss.item<float>()));
  CHECK(torch::isfinite(extreme.grad()).all().item<bool>());
}

TEST_CASE("the pyramid network equals plain convolutions") {
  const torch::NoGradGuard no_grad;
  const std::vector<FeatureInfo> inputs = {{"a", 6, 8}, {"b", 10, 16}, {"c", 12, 32}};
  for (const auto top : {TopLevels::convolutions, TopLevels::subsample}) {
    FpnImpl fpn(inputs, 8, top);
    fpn.initialize(generator(1));
    for (auto& parameter : fpn.parameters()) parameter.add_(0.01);
    const std::vector<Tensor> maps = {random_tensor({2, 7, 9, 6}, 2), random_tensor({2, 4, 5, 10}, 3),
                                      random_tensor({2, 2, 3, 12}, 4)};
    const auto parameters = fpn.named_parameters();
    const auto conv = [&](const std::string& name, const Tensor& x, int64_t stride) {
      const auto weight = parameters[name + ".conv.weight"];
      return torch::conv2d(x, weight, parameters[name + ".conv.bias"], stride, weight.size(2) / 2);
    };
    std::vector<Tensor> wanted(3);
    Tensor sum;
    for (int64_t i = 2; i >= 0; --i) {
      const auto lateral = conv("lateral_convs." + std::to_string(i), maps[i].permute({0, 3, 1, 2}), 1);
      if (sum.defined()) {
        const auto rows = torch::arange(lateral.size(2)) * sum.size(2) / lateral.size(2);
        const auto columns = torch::arange(lateral.size(3)) * sum.size(3) / lateral.size(3);
        const auto nearest = sum.index_select(2, rows.floor().to(torch::kLong));
        sum = lateral + nearest.index_select(3, columns.floor().to(torch::kLong));
      } else {
        sum = lateral;
      }
      wanted[i] = conv("fpn_convs." + std::to_string(i), sum, 1);
    }
    if (top == TopLevels::convolutions) {
      wanted.push_back(conv("fpn_convs.3", maps[2].permute({0, 3, 1, 2}), 2));
      wanted.push_back(conv("fpn_convs.4", wanted[3], 2));
      CHECK(fpn.strides() == std::vector<int64_t>{8, 16, 32, 64, 128});
    } else {
      wanted.push_back(torch::max_pool2d(wanted[2], 1, 2));
      CHECK(fpn.strides() == std::vector<int64_t>{8, 16, 32, 64});
      CHECK(parameters.size() == 12);
    }
    const auto pyramid = fpn.forward(maps);
    REQUIRE(pyramid.size() == wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      CHECK(deviation(pyramid[i].permute({0, 3, 1, 2}), wanted[i]) <= 1e-5);
    }
    CHECK_THROWS_AS(fpn.forward({maps[0]}), InvalidArgument);
  }
}

TEST_CASE("the simple pyramid has the strides it promises") {
  const torch::NoGradGuard no_grad;
  SimplePyramidImpl pyramid({"block12", 24, 16}, 0, 8, TopLevels::subsample);
  pyramid.initialize(generator(1));
  const auto maps = pyramid.forward({random_tensor({2, 5, 7, 24}, 2)});
  CHECK(pyramid.strides() == std::vector<int64_t>{4, 8, 16, 32, 64});
  const std::vector<std::vector<int64_t>> sizes = {
      {2, 20, 28, 8}, {2, 10, 14, 8}, {2, 5, 7, 8}, {2, 3, 4, 8}, {2, 2, 2, 8}};
  REQUIRE(maps.size() == sizes.size());
  for (size_t i = 0; i < maps.size(); ++i) {
    CHECK(maps[i].sizes().vec() == sizes[i]);
    CHECK(torch::isfinite(maps[i]).all().item<bool>());
  }
  SimplePyramidImpl upper({"block12", 24, 16}, 1, 8, TopLevels::convolutions);
  upper.initialize(generator(1));
  CHECK(upper.forward({random_tensor({1, 4, 4, 24}, 2)}).size() == 5);
  CHECK(upper.strides() == std::vector<int64_t>{8, 16, 32, 64, 128});
}

TEST_CASE("a transposed convolution doubles the map as torch's does") {
  const torch::NoGradGuard no_grad;
  nn::ConvTranspose2x2 conv(6, 4);
  conv->initialize(generator(1));
  conv->bias.copy_(random_tensor({4}, 2));
  const auto x = random_tensor({2, 3, 5, 6}, 3);
  const auto wanted = torch::relu(torch::conv_transpose2d(x.permute({0, 3, 1, 2}), conv->weight, conv->bias, 2));
  CHECK(deviation(conv->forward(x, Activation::relu).permute({0, 3, 1, 2}), wanted) <= 1e-6);
}

TEST_CASE("regions are pooled from the level of their size") {
  const RoiPooler pooler({4, 8, 16, 32});
  const auto boxes = torch::tensor({0.f, 0.f, 30.f,  30.f,   // 30: below 56
                                    0.f, 0.f, 56.f,  56.f,   // 56: 2^0
                                    0.f, 0.f, 111.f, 111.f,  //
                                    0.f, 0.f, 112.f, 112.f,  // 2^1
                                    0.f, 0.f, 900.f, 900.f,  // beyond the last
                                    0.f, 0.f, 0.f,   5.f})   // no area
                         .view({6, 4});
  CHECK(torch::equal(pooler.levels(boxes), torch::tensor({0, 0, 0, 1, 3, 0}, torch::kLong)));
  // Maps that hold the number of their level show where a region came from, in the order of the boxes.
  std::vector<Tensor> maps;
  for (const int64_t stride : {4, 8, 16, 32}) {
    maps.push_back(torch::full({1, 1024 / stride, 1024 / stride, 2}, std::log2(static_cast<double>(stride) / 4)));
  }
  const auto regions = pooler.pool(maps, {boxes.slice(0, 0, 5)}, 3);
  REQUIRE(regions.sizes() == at::IntArrayRef({5, 2, 3, 3}));
  CHECK(deviation(regions.amax({1, 2, 3}), torch::tensor({0.f, 0.f, 0.f, 1.f, 3.f})) <= 1e-6);
  CHECK(deviation(regions.amin({1, 2, 3}), torch::tensor({0.f, 0.f, 0.f, 1.f, 3.f})) <= 1e-6);
  CHECK(pooler.pool(maps, {boxes.slice(0, 0, 0)}, 3).sizes() == at::IntArrayRef({0, 2, 3, 3}));
}

TEST_CASE("masks are cropped to their boxes") {
  auto masks = torch::zeros({2, 8, 8}, torch::kByte);
  masks[0].slice(0, 2, 6).slice(1, 2, 4).fill_(1);  // rows 2-5, columns 2-3
  masks[1].fill_(1);
  const auto boxes = torch::tensor({2.f, 2.f, 6.f, 6.f, 0.f, 0.f, 8.f, 8.f}).view({2, 4});
  const auto cropped = crop_masks(masks, boxes, 4);
  auto wanted = torch::zeros({4, 4});
  wanted.slice(1, 0, 2).fill_(1);
  CHECK(torch::equal(cropped[0], wanted));
  CHECK(torch::equal(cropped[1], torch::ones({4, 4})));
}

}  // namespace
}  // namespace retentive::vision
