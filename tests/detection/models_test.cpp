#include <cmath>
#include <set>
#include <string>
#include <vector>

#include <torch/torch.h>

#include <models/registry.h>
#include <retention/base/error.h>
#include <retention/nn/inference.h>
#include <support/tensors.h>
#include <vision/detection/retinanet_head.h>

namespace retentive::models {
namespace {

using testing::deviation;
using testing::random_tensor;
using torch::Tensor;
using vision::DetectionTarget;
using vision::ImageExtent;

const std::vector<std::string> kTestDetectors = {"test_retinanet", "test_mask_rcnn", "test_faster_rcnn",
                                                 "test_mask_rcnn_vir"};

std::shared_ptr<vision::DetectorImpl> make(const std::string& name, uint64_t seed = 3) {
  auto detector = as_detector(build(find_model(name).config, seed), name);
  detector->set_generator(at::detail::createCPUGenerator(7));
  return detector;
}

DetectionTarget target(std::vector<float> boxes, std::vector<int64_t> labels, int64_t height, int64_t width) {
  const auto n = static_cast<int64_t>(labels.size());
  DetectionTarget result{torch::tensor(boxes).view({n, 4}), torch::tensor(labels, torch::kLong),
                         torch::zeros({n, height, width}, torch::kByte)};
  for (int64_t i = 0; i < n; ++i) {
    const auto at = [&](int64_t c) { return static_cast<int64_t>(boxes[4 * i + c]); };
    result.masks[i].slice(0, at(1), at(3)).slice(1, at(0), at(2)).fill_(1);
  }
  return result;
}

DetectionTarget no_target(int64_t height, int64_t width) {
  return {torch::zeros({0, 4}), torch::zeros({0}, torch::kLong), torch::zeros({0, height, width}, torch::kByte)};
}

TEST_CASE("losses are finite and reach every parameter") {
  for (const auto& name : kTestDetectors) {
    INFO(name);
    const auto detector = make(name);
    detector->train();
    const auto images = random_tensor({2, 3, 96, 128}, 1);
    const std::vector<ImageExtent> extents = {{96, 128}, {80, 100}};
    const std::vector<DetectionTarget> targets = {target({10, 12, 50, 60, 70, 20, 120, 90}, {0, 2}, 96, 128),
                                                  target({5, 5, 40, 70}, {1}, 96, 128)};
    auto total = torch::zeros({});
    std::set<std::string> names;
    for (const auto& [term, value] : detector->losses(images, extents, targets)) {
      CHECK(value.dim() == 0);
      CHECK(std::isfinite(value.item<float>()));
      CHECK(value.item<float>() > 0);
      names.insert(term);
      total = total + value;
    }
    CHECK(names.size() == (name == "test_retinanet" ? 2 : detector->has_masks() ? 5 : 4));
    total.backward();
    for (const auto& item : detector->named_parameters()) {
      INFO(item.key());
      const auto gradient = item.value().grad();
      // The norm of a stage that RetinaNet leaves out, and a ViR's last norm, which stands behind its maps.
      const bool unused =
          item.key().starts_with(name == "test_retinanet" ? "backbone.extra_norms.0." : "backbone.norm.");
      CHECK(gradient.defined() != unused);
      if (gradient.defined()) CHECK(torch::isfinite(gradient).all().item<bool>());
    }
  }
}

TEST_CASE("images without objects have finite losses") {
  for (const auto& name : kTestDetectors) {
    INFO(name);
    const auto detector = make(name);
    detector->train();
    const auto losses = detector->losses(random_tensor({2, 3, 64, 64}, 1), {{64, 64}, {64, 64}},
                                         {no_target(64, 64), no_target(64, 64)});
    auto total = torch::zeros({});
    for (const auto& [term, value] : losses) total = total + value;
    CHECK(std::isfinite(total.item<float>()));
    total.backward();
    for (const auto& parameter : detector->parameters()) {
      if (parameter.grad().defined()) CHECK(torch::isfinite(parameter.grad()).all().item<bool>());
    }
  }
}

// RetinaNet's loss in plain loops over the raw outputs.
double naive_box_overlap(const float* a, const float* b) {
  const double w = std::min(a[2], b[2]) - std::max(a[0], b[0]), h = std::min(a[3], b[3]) - std::max(a[1], b[1]);
  if (w <= 0 || h <= 0) return 0;
  const double both = w * h;
  return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both);
}

TEST_CASE("RetinaNet's losses equal plain loops over its outputs") {
  const torch::NoGradGuard no_grad;
  const vision::AnchorOptions shapes{{8, 16}, vision::octave_scales(2, 2), {0.5, 1, 2}};
  vision::RetinaNetHead head(
      vision::RetinaNetHeadImpl::Options{.channels = 8, .convs = 1, .num_classes = 3, .anchors = shapes});
  head->initialize(at::detail::createCPUGenerator(1));
  for (auto& parameter : head->parameters()) parameter.add_(random_tensor(parameter.sizes(), 2) * 0.1);
  const std::vector<Tensor> pyramid = {random_tensor({1, 8, 8, 8}, 3), random_tensor({1, 4, 4, 8}, 4)};
  const auto wanted = target({10, 8, 30, 28, 33, 20, 60, 61, 2, 40, 20, 62}, {2, 0, 1}, 64, 64);
  const auto losses = head->losses(pyramid, {{64, 64}}, {wanted});
  const vision::AnchorGenerator generator(shapes);
  const auto outputs = head->forward(pyramid);
  std::vector<Tensor> scores, deltas;
  for (const auto& output : outputs) {
    scores.push_back(output.scores[0]);
    deltas.push_back(output.deltas[0]);
  }
  const auto anchors = torch::cat(generator.grids(pyramid)).contiguous();
  const auto score = torch::cat(scores), delta = torch::cat(deltas);
  const auto n = anchors.size(0), objects = wanted.labels.size(0);
  const auto* anchor = anchors.const_data_ptr<float>();
  const auto* box = wanted.boxes.const_data_ptr<float>();
  std::vector<double> best(objects, 0);
  for (int64_t g = 0; g < objects; ++g) {
    for (int64_t i = 0; i < n; ++i) best[g] = std::max(best[g], naive_box_overlap(anchor + 4 * i, box + 4 * g));
  }
  double class_loss = 0, box_loss = 0;
  int64_t positives = 0;
  for (int64_t i = 0; i < n; ++i) {
    int64_t object = -1;
    double overlap = 0;
    for (int64_t g = 0; g < objects; ++g) {
      const double now = naive_box_overlap(anchor + 4 * i, box + 4 * g);
      if (now > overlap) {
        overlap = now;
        object = g;
      }
    }
    bool positive = overlap >= 0.5;
    for (int64_t g = 0; g < objects; ++g) {
      if (naive_box_overlap(anchor + 4 * i, box + 4 * g) < best[g] - 1e-6) continue;
      positive = true;
      object = g;
    }
    if (!positive && overlap >= 0.4) continue;
    positives += positive;
    for (int64_t k = 0; k < 3; ++k) {
      const double p = 1 / (1 + std::exp(-score[i][k].item<double>()));
      const bool own = positive && wanted.labels[object].item<int64_t>() == k;
      class_loss -= own ? 0.25 * (1 - p) * (1 - p) * std::log(p) : 0.75 * p * p * std::log(1 - p);
    }
    if (!positive) continue;
    const float* a = anchor + 4 * i;
    const float* b = box + 4 * object;
    const double w = a[2] - a[0], h = a[3] - a[1];
    const double coded[] = {((b[0] + b[2]) - (a[0] + a[2])) / 2 / w, ((b[1] + b[3]) - (a[1] + a[3])) / 2 / h,
                            std::log((b[2] - b[0]) / w), std::log((b[3] - b[1]) / h)};
    for (int64_t c = 0; c < 4; ++c) box_loss += std::abs(delta[i][c].item<double>() - coded[c]);
  }
  REQUIRE(positives >= 3);
  CHECK(losses[0].second.item<double>() == Approx(class_loss / static_cast<double>(positives)).epsilon(1e-4));
  CHECK(losses[1].second.item<double>() == Approx(box_loss / static_cast<double>(positives)).epsilon(1e-4));
}

TEST_CASE("detections lie in the image, best first, each class suppressed") {
  const torch::NoGradGuard no_grad;
  for (const auto& name : kTestDetectors) {
    INFO(name);
    const auto detector = make(name);
    for (auto& item : detector->named_parameters()) {  // a head that is sure of something
      if (item.key().ends_with("retina_cls.bias")) item.value().fill_(0);
      if (item.key().ends_with("fc_cls.weight")) item.value().mul_(200);
    }
    detector->eval();
    const std::vector<ImageExtent> extents = {{90, 120}, {64, 70}};
    const auto found = detector->detect(random_tensor({2, 3, 96, 128}, 1), extents);
    REQUIRE(found.size() == 2);
    for (size_t i = 0; i < 2; ++i) {
      const auto& objects = found[i];
      const auto n = objects.boxes.size(0);
      CHECK(n > 0);
      CHECK(n <= 100);
      CHECK(objects.scores.sizes() == at::IntArrayRef({n}));
      CHECK(objects.labels.sizes() == at::IntArrayRef({n}));
      CHECK((objects.scores.slice(0, 1) <= objects.scores.slice(0, 0, n - 1)).all().item<bool>());
      CHECK((objects.scores > 0.05).all().item<bool>());
      CHECK((objects.boxes >= 0).all().item<bool>());
      CHECK((objects.boxes.select(1, 2) <= static_cast<double>(extents[i].width)).all().item<bool>());
      CHECK((objects.boxes.select(1, 3) <= static_cast<double>(extents[i].height)).all().item<bool>());
      CHECK(objects.masks.defined() == detector->has_masks());
      if (detector->has_masks()) CHECK(objects.masks.sizes() == at::IntArrayRef({n, 8, 8}));
    }
  }
}

TEST_CASE("wrong inputs of detectors are refused") {
  const auto detector = make("test_mask_rcnn");
  const auto images = random_tensor({1, 3, 64, 64}, 1);
  CHECK_THROWS_AS(detector->detect(images, {}), InvalidArgument);
  CHECK_THROWS_AS(detector->detect(images[0], {{64, 64}}), InvalidArgument);
  CHECK_THROWS_AS(detector->detect(images, {{65, 64}}), InvalidArgument);
  CHECK_THROWS_AS(detector->losses(images, {{64, 64}}, {}), InvalidArgument);
  CHECK_THROWS_AS(detector->losses(images, {{64, 64}}, {target({1, 1, 9, 9}, {3}, 64, 64)}), InvalidArgument);
  auto maskless = target({1, 1, 9, 9}, {0}, 64, 64);
  maskless.masks.reset();
  CHECK_THROWS_AS(detector->losses(images, {{64, 64}}, {maskless}), InvalidArgument);
}

TEST_CASE("prepared detectors compute what plain ones do") {
  const torch::NoGradGuard no_grad;
  for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8}) {
    for (const auto& name : kTestDetectors) {
      INFO(name << " " << enum_name(precision));
      const auto detector = make(name);
      detector->eval();
      const auto images = random_tensor({1, 3, 96, 128}, 1);
      for (auto& item : detector->named_parameters()) {
        if (item.key().ends_with("retina_cls.bias")) item.value().fill_(-2.5);
        if (item.key().ends_with("fc_cls.weight")) item.value().mul_(20);
      }
      const auto plain = detector->detect(images, {{96, 128}}).front();
      const auto report = nn::prepare_inference(*detector, {.precision = precision});
      const auto packed = std::count_if(report.entries.begin(), report.entries.end(),
                                        [](const auto& entry) { return !entry.path.starts_with("backbone."); });
      CHECK(packed >= 8);
      const auto prepared = detector->detect(images, {{96, 128}}).front();
      const double bound = precision == Precision::fp32 ? 1e-4 : 0.06;
      REQUIRE(plain.scores.size(0) > 0);
      REQUIRE(prepared.scores.size(0) > 0);
      CHECK(std::abs(plain.scores[0].item<double>() - prepared.scores[0].item<double>()) <= bound);
      if (precision != Precision::fp32) continue;
      REQUIRE(prepared.boxes.sizes() == plain.boxes.sizes());
      CHECK((prepared.boxes - plain.boxes).abs().max().item<double>() <= 0.05);
      if (plain.masks.defined()) CHECK(deviation(prepared.masks, plain.masks) <= 1e-3);
    }
  }
}

TEST_CASE("layers and norms of a backbone freeze") {
  const auto detector = make("test_mask_rcnn");
  const auto trained = [&] {
    size_t count = 0;
    for (const auto& group : detector->parameter_groups(1.0, 0.5)) count += group.parameters.size();
    return count;
  };
  const auto all = trained();
  CHECK(all == detector->parameters().size());
  detector->freeze_layers(1);
  size_t stem = 0;
  for (const auto& item : detector->named_parameters()) {
    const bool in_stem = item.key().starts_with("backbone.patch_embed.");
    stem += in_stem;
    CHECK(item.value().requires_grad() != in_stem);
  }
  CHECK(stem > 0);
  CHECK(trained() == all - stem);
  for (const auto& group : detector->parameter_groups(1.0, 0.5)) {
    CHECK(group.lr_scale == (group.names.front().starts_with("backbone.") ? 0.5 : 1.0));
  }
  detector->freeze_norms();
  detector->train();
  for (const auto& module : detector->backbone()->modules()) {
    if (const auto* norm = module->as<nn::BatchNormImpl>()) CHECK_FALSE(norm->is_training());
  }
  CHECK(detector->is_training());
}

}  // namespace
}  // namespace retentive::models
