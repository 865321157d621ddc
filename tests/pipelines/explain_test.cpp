#include <cmath>

#include <models/pipelines/detail/backbone_probe.h>
#include <models/pipelines/detail/explain.h>
#include <models/registry.h>
#include <support/tensors.h>
#include <vision/rmt.h>
#include <vision/vir_fixture.h>

namespace retentive::testing {
namespace {

using models::decay_map;
using models::DecayLaw;
using models::part_of;
using models::probe_backbone;
using models::Reach;
using torch::Tensor;

Tensor random_image(int64_t channels, int64_t height, int64_t width) {
  return torch::randn({1, channels, height, width}, at::make_generator<at::CPUGeneratorImpl>(9));
}

/// A tiny RMT whose scores are far from equal.
std::shared_ptr<vision::RmtImpl> lively_rmt(vision::RmtConfig config) {
  auto model = std::dynamic_pointer_cast<vision::RmtImpl>(models::build(config, 5));
  const torch::NoGradGuard no_gradients;
  for (auto& item : model->named_parameters()) {
    if (item.key().ends_with("_proj.weight")) item.value().mul_(10);
  }
  model->eval();
  return model;
}

vision::RmtConfig tiny_rmt() { return std::get<vision::RmtConfig>(models::find_model("test_rmt").config); }

/// Weights of every token of the grid times the values against what the mixer gave.
double mixing_error(const models::TokenMixing& mixing, int64_t height, int64_t width) {
  double worst = 0;
  for (int64_t token = 0; token < height * width; ++token) {
    const auto weights = mixing.weights(token / width, token % width);         // [N, T]
    const auto mixed = torch::einsum("nt,tnd->nd", {weights, mixing.values});  // [N, D]
    worst = std::max(worst, deviation(mixed, mixing.outputs[token]));
  }
  return worst;
}

TEST_CASE("decay maps by hand, and symmetric where both directions count") {
  const DecayLaw law{Reach::manhattan, torch::tensor({std::log(0.5f), std::log(0.9f)})};
  const auto map = decay_map(law, 2, 3, 1, 1);  // [2, 2, 3]
  CHECK(deviation(map[0], torch::tensor({{0.25f, 0.5f, 0.25f}, {0.5f, 1.0f, 0.5f}})) < 1e-6);
  CHECK(map[1][0][0].item<float>() == Approx(0.81));
  for (int64_t a = 0; a < 12; ++a) {
    const auto from = decay_map(law, 3, 4, a / 4, a % 4);
    CHECK(from[0][a / 4][a % 4].item<float>() == 1);
    for (int64_t b = 0; b < 12; ++b) {
      CHECK(from[1][b / 4][b % 4].item<float>() == decay_map(law, 3, 4, b / 4, b % 4)[1][a / 4][a % 4].item<float>());
    }
  }
  const auto half = torch::tensor({std::log(0.5f)});
  CHECK(deviation(decay_map({Reach::sequence, half}, 2, 3, 1, 0)[0],
                  torch::tensor({{0.125f, 0.25f, 0.5f}, {1.0f, 0.0f, 0.0f}})) < 1e-6);
  CHECK(deviation(decay_map({Reach::rectangle, half}, 2, 3, 1, 1)[0],
                  torch::tensor({{0.25f, 0.5f, 0.0f}, {0.5f, 1.0f, 0.0f}})) < 1e-6);
}

TEST_CASE("MaSA: weights times values are the mixer's output, in every stage and mode") {
  WorstDeviation worst("MaSA: weights times values");
  for (const auto mode : {DecayMode::release, DecayMode::paper}) {
    auto config = tiny_rmt();
    config.decay_mode = mode;
    const auto model = lively_rmt(config);
    const auto probe = probe_backbone(model);
    const auto image = random_image(3, 44, 60);
    for (int64_t stage = 0; stage < 3; ++stage) {
      INFO("stage " << stage);
      const auto block = probe->blocks(stage) - 1;
      const auto grid = probe->grid(44, 60, stage);
      const auto mixing = probe->mixing(image, stage, block);
      CHECK(worst.add("stage " + std::to_string(stage), mixing_error(mixing, grid.height, grid.width)) < 1e-5);
      CHECK_FALSE(mixing.is_signed);
      const bool decomposed = config.decomposed[static_cast<size_t>(stage)];
      REQUIRE(static_cast<bool>(mixing.row_weights) == decomposed);
      const auto weights = mixing.weights(1, 2);
      if (mode == DecayMode::release) CHECK(deviation(weights.sum(1), torch::ones({weights.size(0)})) < 1e-5);
      if (!decomposed) continue;
      // What both passes take: the column's share of every row, times that row's own shares.
      const auto column = mixing.column_weights(1, 2);
      std::vector<Tensor> rows;
      for (int64_t row = 0; row < grid.height; ++row) {
        rows.push_back(mixing.row_weights(row, 2) * column.select(1, row).unsqueeze(1));
      }
      CHECK(deviation(torch::cat(rows, 1), weights) < 1e-5);
    }
  }
}

TEST_CASE("MaSA: the values are those that the model's own mixer reads") {
  const auto model = lively_rmt(tiny_rmt());
  const auto probe = probe_backbone(model);
  const auto image = random_image(3, 44, 60);
  const torch::NoGradGuard no_gradients;
  const auto maps = model->forward_intermediates(image, {0, 1, 2, 3}, vision::Layout::nhwc);
  for (int64_t stage = 0; stage < 4; ++stage) {
    CHECK(deviation(probe->map_after(image, stage, probe->blocks(stage) - 1), maps[stage]) < 1e-6);
  }
  const std::string path = "layers.2.blocks.1.";
  const auto conv = part_of<vision::DepthwiseConvImpl>(*model, path + "pos")->conv();
  const nn::LayerNorm norm(part_of<nn::LayerNormImpl>(*model, path + "retention_layer_norm"));
  const auto x = nn::ResidualConvNormGroup(conv, norm).forward(probe->map_after(image, 2, 0)).second;
  const vision::RelativePosition position(part_of<vision::RelativePositionImpl>(*model, "layers.2.Relpos"));
  const auto expected = part_of<vision::SpatialMixerImpl>(*model, path + "retention")->forward(x, position, {});
  const auto mixing = probe->mixing(image, 2, 1);
  const auto as_map = [&](const Tensor& tokens) { return tokens.flatten(1).view(expected.sizes()); };
  const auto lepe = part_of<vision::DepthwiseConvImpl>(*model, path + "retention.lepe");
  const auto enhanced = lepe->forward(as_map(mixing.values), {.addend = as_map(mixing.outputs)});
  CHECK(deviation(part_of<nn::LinearImpl>(*model, path + "retention.out_proj")->forward(enhanced), expected) < 1e-5);
}

TEST_CASE("ViR and ViT: weights times values are the mixer's output") {
  WorstDeviation worst("ViR: weights times values");
  const auto check = [&worst](vision::VirConfig config) {
    config.layer_scale_init = 1.0;
    auto model = lively_vir(config, 4);
    const auto probe = probe_backbone(model.ptr());
    const auto image = random_image(3, 48, 80);  // a grid of 3 x 5
    const auto mixing = probe->mixing(image, 0, 1);
    CHECK(worst.add("decay in " + std::to_string(config.decay_dims), mixing_error(mixing, 3, 5)) < 1e-5);
    // And that output is what the model goes on with.
    const torch::NoGradGuard no_gradients;
    const bool retains = config.mixer == MixerKind::retention;
    const std::string mixer = retains ? "blocks.1.retention" : "blocks.1.attn";
    const auto [tokens, context] = model->forward_to_block(image, 1);
    const auto x = part_of<nn::LayerNormImpl>(*model, "blocks.1.norm1")->forward(tokens);
    const auto expected = part_of<vision::VirMixerImpl>(*model, mixer)->forward(x, context, nullptr, {});
    const auto out = part_of<nn::LinearImpl>(*model, mixer + (retains ? ".out_proj" : ".proj"));
    CHECK(deviation(out->forward(mixing.outputs.flatten(1).unsqueeze(0)), expected) < 1e-5);
    CHECK(deviation(probe->map_after(image, 0, 1).permute({0, 3, 1, 2}), model->forward_intermediates(image, {1})[0]) <
          1e-6);
    return mixing;
  };
  auto config = test_vir_config();
  CHECK(check(config).is_signed);
  config.decay_dims = 2;
  CHECK(check(config).is_signed);
  config.release_softmax = true;
  CHECK_FALSE(check(config).is_signed);
  config = test_vir_config();
  config.mixer = MixerKind::attention;
  const auto weights = check(config).weights(2, 1);
  CHECK(deviation(weights.sum(1), torch::ones({3})) < 1e-5);
  CHECK(weights.size(1) == 16);  // the class token is one of those attended to
}

// Where queries and keys say nothing, weights are the decay, up to the softmax's sum.
TEST_CASE("weights of indifferent heads are the decay map") {
  const auto rmt = lively_rmt(tiny_rmt());
  auto config = test_vir_config();
  auto vir = lively_vir(config, 4);
  config.decay_dims = 2;
  auto vir_2d = lively_vir(config, 4);
  const torch::NoGradGuard no_gradients;
  for (auto& item : rmt->named_parameters()) {
    if (item.key().find("q_proj") != std::string::npos) item.value().zero_();
  }
  for (const auto& model : {vir, vir_2d}) {
    for (auto& item : model->named_parameters()) {
      if (item.key().ends_with("qkv.weight")) item.value().narrow(0, 0, 2 * 24).zero_();
      if (item.key().ends_with("qkv.bias")) item.value().narrow(0, 0, 2 * 24).fill_(1);
    }
  }
  const auto check = [](const std::shared_ptr<vision::BackboneImpl>& model, int64_t stage) {
    const auto image = random_image(3, 48, 80);
    const auto probe = probe_backbone(model);
    const auto grid = probe->grid(48, 80, stage);
    const auto expected = decay_map(probe->decay(stage), grid.height, grid.width, 1, 2).flatten(1);  // [N, h w]
    const auto own = grid.width + 2;
    auto weights = probe->mixing(image, stage, 0).weights(1, 2).narrow(1, 0, grid.height * grid.width);
    weights = weights / weights.select(1, own).unsqueeze(1);
    CHECK(deviation(weights, expected) < 1e-5);
  };
  check(rmt, 1);  // decomposed
  check(rmt, 2);  // full
  check(vir.ptr(), 0);
  check(vir_2d.ptr(), 0);
}

TEST_CASE("Grad-CAM of a linear head over a mean is the rectified projection") {
  const auto features = torch::tensor({{1.0f, 2.0f}, {3.0f, -1.0f}, {-2.0f, 0.0f}}).requires_grad_();  // [T, C]
  const auto weight = torch::tensor({2.0f, 3.0f});
  const auto logit = features.mean(0).dot(weight);
  const auto gradient = torch::autograd::grad({logit}, {features}).front();
  // w . A / T: (2 + 6) / 3, (6 - 3) / 3, and -4 / 3, which speaks against the class.
  CHECK(deviation(models::class_activation(features.detach(), gradient), torch::tensor({8.0f / 3, 1.0f, 0.0f})) < 1e-6);
}

TEST_CASE("the logits that Grad-CAM derives are the model's") {
  const auto check = [](const std::shared_ptr<vision::BackboneImpl>& model, int64_t stage, int64_t block) {
    const auto image = random_image(3, 48, 80);
    const auto probe = probe_backbone(model);
    const auto [features, logits] = probe->evidence(image, stage, block);
    CHECK(deviation(logits, model->forward(image)) < 1e-5);
    const auto grid = probe->grid(48, 80, stage);
    const auto gradient = torch::autograd::grad({logits[0][3]}, {features}).front();
    CHECK(gradient[0].narrow(0, 0, grid.height * grid.width).abs().max().item<float>() > 0);
  };
  const auto rmt = lively_rmt(tiny_rmt());
  check(rmt, 3, 0);
  check(rmt, 1, 0);
  for (const auto pool : {vision::VirPool::token_last, vision::VirPool::avg}) {
    auto config = test_vir_config();
    config.pool = pool;
    config.layer_scale_init = 1.0;
    auto vir = lively_vir(config, 4);
    const auto last = probe_backbone(vir.ptr())->last_class_block();
    CHECK(last == (pool == vision::VirPool::avg ? 2 : 1));
    check(vir.ptr(), 0, last);
    check(vir.ptr(), 0, 0);
  }
}

TEST_CASE("principal components recover a planted pattern") {
  const auto pattern = torch::tensor({-1.0f, 0.0f, 4.0f, -3.0f});  // of mean 0
  const auto direction = torch::tensor({0.6f, 0.0f, -0.8f});       // of length 1
  const auto found = models::principal_components(torch::outer(pattern, direction) + 5);
  CHECK(deviation(found.scores[0], pattern) < 1e-5);
  CHECK(found.scores.narrow(0, 1, 2).abs().max().item<float>() < 1e-5);
  CHECK(found.shares[0] == Approx(1));
  CHECK(found.shares[1] < 1e-9);
  const auto two = torch::tensor({{2.0f, 0.0f}, {-2.0f, 0.0f}, {0.0f, 1.0f}, {0.0f, -1.0f}});
  const auto both = models::principal_components(two);  // variances 8 and 2; there is no third
  CHECK(both.shares[0] == Approx(0.8));
  CHECK(both.shares[1] == Approx(0.2));
  CHECK(both.shares[2] == 0);
  const auto flat = models::principal_components(torch::ones({3, 4}));
  CHECK(flat.shares[0] == 0);
}

TEST_CASE("the receptive field of a map made by hand") {
  const auto image = random_image(2, 4, 6).requires_grad_();
  // Cells of 2 x 2 pixels: three times the first channel's sum, minus the second's.
  const auto factors = torch::tensor({3.0f, -1.0f}).view({1, 2, 1, 1});
  const auto map = torch::avg_pool2d(image * factors, 2).mul(4).permute({0, 2, 3, 1});  // [1, 2, 3, 2]
  auto expected = torch::zeros({4, 6});
  expected.narrow(0, 2, 2).narrow(1, 2, 2).fill_(4);
  CHECK(deviation(models::input_gradient(map, image, 1, 1), expected) < 1e-6);
}

}  // namespace
}  // namespace retentive::testing
