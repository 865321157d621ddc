#include <torch/torch.h>

#include <retention/base/error.h>
#include <retention/ops/boxes.h>
#include <support/tensors.h>

using namespace retentive;
using namespace retentive::testing;
using torch::Tensor;

namespace {

Tensor regions() { return Fixture("boxes/boxes").get("rois"); }

}  // namespace

TEST_CASE("roi_align equals ONNX Runtime's", "[boxes][roi_align]") {
  const Fixture fixture("boxes/boxes");
  const auto features = fixture.get("features"), rois = fixture.get("rois");
  const auto fine = fixture.get("roi_align_7x7"), coarse = fixture.get("roi_align_2x3");
  WorstDeviation worst("roi_align vs ONNX Runtime");
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const auto maps = features.contiguous(format);
    const auto out = roi_align(maps, rois, 0.25, 7, 7);
    CHECK(worst.add("7x7", deviation(out, fine)) < 2e-6);
    CHECK(out.is_contiguous(at::MemoryFormat::ChannelsLast));
    CHECK(worst.add("2x3, sampling 2", deviation(roi_align(maps, rois, 0.125, 2, 3, 2), coarse)) < 2e-6);
    CHECK(worst.add("7x7 double", deviation(roi_align(maps.to(torch::kDouble), rois, 0.25, 7, 7), fine)) < 2e-6);
  }
  const auto narrow = roi_align(features.to(torch::kBFloat16), rois, 0.25, 7, 7);
  CHECK(narrow.scalar_type() == torch::kBFloat16);
  CHECK(deviation(narrow, fine) < 1.0 / 128);
}

TEST_CASE("the gradient of roi_align equals that of the composed form", "[boxes][roi_align][grad]") {
  const auto features = Fixture("boxes/boxes").get("features"), rois = regions();
  const auto factor = random_tensor({rois.size(0), 5, 3, 4}, 1);
  const auto gradient = [&](at::ScalarType type, at::MemoryFormat format) {
    const auto x = features.to(type).contiguous(format).clone().requires_grad_();
    (roi_align(x, rois, 0.25, 3, 4) * factor.to(type)).sum().backward();
    return x.grad();
  };
  const auto exact = gradient(torch::kDouble, at::MemoryFormat::Contiguous);
  CHECK(exact.abs().max().item<double>() > 1);
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const auto first = gradient(torch::kFloat, format);
    CHECK(deviation(first, exact) < 2e-6);
    const int before = at::get_num_threads();
    for (const int threads : {1, 2, 3}) {
      at::set_num_threads(threads);
      CHECK(torch::equal(gradient(torch::kFloat, format), first));
      CHECK(torch::equal(roi_align(features, rois, 0.25, 7, 7), roi_align(features.clone(), rois, 0.25, 7, 7)));
    }
    at::set_num_threads(before);
  }
}

TEST_CASE("the gradient of roi_align equals finite differences", "[boxes][roi_align][grad]") {
  const auto rois = regions();
  for (const int64_t sampling : {0, 2}) {
    auto x = random_tensor({2, 2, 6, 7}, 2, torch::kDouble).requires_grad_();
    const auto factor = random_tensor({rois.size(0), 2, 2, 3}, 3, torch::kDouble);
    const auto loss = [&] { return (roi_align(x, rois, 0.0625, 2, 3, sampling).square() * factor).sum(); };
    loss().backward();
    const torch::NoGradGuard no_grad;
    auto flat = x.view(-1);
    const auto grad = x.grad().reshape(-1);
    for (int64_t i = 0; i < flat.numel(); i += 5) {
      const double value = flat[i].item<double>(), step = 1e-5;
      flat[i].fill_(value + step);
      const double above = loss().item<double>();
      flat[i].fill_(value - step);
      const double below = loss().item<double>();
      flat[i].fill_(value);
      REQUIRE(grad[i].item<double>() == Approx((above - below) / (2 * step)).epsilon(1e-6).margin(1e-8));
    }
  }
}

TEST_CASE("roi_align may be differentiated twice", "[boxes][roi_align][grad]") {
  const auto rois = regions();
  const auto second = [&](at::ScalarType type) {
    const auto x = random_tensor({2, 3, 6, 7}, 2).to(type).requires_grad_();
    const auto y = roi_align(x, rois, 0.0625, 2, 3);
    const auto first = torch::autograd::grad({y.pow(3).sum()}, {x}, {}, std::nullopt, /*create_graph=*/true)[0];
    return torch::autograd::grad({first.square().sum()}, {x})[0];
  };
  CHECK(deviation(second(torch::kFloat), second(torch::kDouble)) < 1e-5);
}

TEST_CASE("roi_align of no regions has a graph", "[boxes][roi_align][grad]") {
  for (const auto type : {torch::kFloat, torch::kDouble}) {
    const auto x = torch::ones({1, 3, 4, 5}, type).requires_grad_();
    const auto y = roi_align(x, torch::empty({0, 5}), 1, 7, 7);
    CHECK(y.sizes() == at::IntArrayRef({0, 3, 7, 7}));
    y.sum().backward();
    CHECK(torch::equal(x.grad(), torch::zeros_like(x)));
  }
}

TEST_CASE("roi_align refuses what it cannot use", "[boxes][roi_align]") {
  const auto x = torch::ones({2, 3, 4, 5}), rois = torch::tensor({1.0f, 0.0f, 0.0f, 2.0f, 2.0f}).view({1, 5});
  const auto refuses = [](const auto& call, const std::string& what) {
    CHECK_THROWS_AS(call(), InvalidArgument);
    CHECK_THROWS_WITH(call(), Catch::Contains(what));
  };
  const auto with = [&](int64_t column, float value) {
    auto changed = rois.clone();
    changed[0][column] = value;
    return changed;
  };
  for (const float image : {-1.0f, 2.0f, 0.5f, 1e9f}) {
    refuses([&] { roi_align(x, with(0, image), 1, 7, 7); }, "row 0 of rois is of image");
    refuses([&] { roi_align(x.clone().requires_grad_(), with(0, image), 1, 7, 7); }, "0 to 1 is accepted");
  }
  refuses([&] { roi_align(x, with(3, NAN), 1, 7, 7); }, "rois holds nan in row 0");
  refuses([&] { roi_align(x, with(0, INFINITY), 1, 7, 7); }, "rois holds inf in row 0");
  refuses([&] { roi_align(x, rois.slice(1, 1), 1, 7, 7); }, "rois is [1, 4] float");
  refuses([&] { roi_align(x[0], rois, 1, 7, 7); }, "features is [3, 4, 5]");
  refuses([&] { roi_align(x.to(torch::kLong), rois, 1, 7, 7); }, "features is [2, 3, 4, 5] long");
  refuses([&] { roi_align(x.slice(2, 0, 0), rois, 1, 7, 7); }, "non-empty");
  refuses([&] { roi_align(x, rois, 0, 7, 7); }, "spatial_scale is 0");
  refuses([&] { roi_align(x, rois, 1, 0, 7); }, "the output is 0x7");
  refuses([&] { roi_align(x, rois, 1, 7, 7, -1); }, "sampling_ratio is -1");
}
