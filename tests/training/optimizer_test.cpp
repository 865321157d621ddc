#include <support/catch.h>

#include <cmath>
#include <map>
#include <set>

#include <models/registry.h>
#include <models/training/optimizer.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

torch::Tensor parameter(std::vector<float> values) { return torch::tensor(values).requires_grad_(true); }

void set_grad(const torch::Tensor& tensor, std::vector<float> values) { tensor.mutable_grad() = torch::tensor(values); }

OptimizerConfig config_of(OptimizerKind kind) {
  OptimizerConfig config;
  config.kind = kind;
  config.lr = 0.1;
  config.weight_decay = 0.1;
  return config;
}

std::vector<float> values(const torch::Tensor& tensor) {
  return {tensor.data_ptr<float>(), tensor.data_ptr<float>() + tensor.numel()};
}

}  // namespace

TEST_CASE("first AdamW step: decay, then lr times the sign of the gradient", "[optimizer]") {
  const auto decayed = parameter({1, 2});
  const auto kept = parameter({1, 2});
  Optimizer optimizer(config_of(OptimizerKind::adamw), {{{"a"}, {decayed}, 1.0, true}, {{"b"}, {kept}, 0.5, false}});
  set_grad(decayed, {0.5F, -1});
  set_grad(kept, {0.5F, -1});
  optimizer.step();
  CHECK(decayed[0].item<float>() == Approx(0.99 - 0.1).epsilon(1e-5));
  CHECK(decayed[1].item<float>() == Approx(1.98 + 0.1).epsilon(1e-5));
  CHECK(kept[0].item<float>() == Approx(0.95).epsilon(1e-5));
  CHECK(kept[1].item<float>() == Approx(2.05).epsilon(1e-5));
}

TEST_CASE("AdamW steps equal those of torch::optim::AdamW", "[optimizer]") {
  auto config = config_of(OptimizerKind::adamw);
  config.lr = 0.01;
  const auto start = torch::linspace(-1, 1, 3 * 5 * 7).view({3, 5, 7});
  const auto ours = start.clone().requires_grad_(), theirs = start.clone().requires_grad_();
  const auto unused = start.clone().requires_grad_();
  Optimizer optimizer(config, {{{"w", "unused"}, {ours, unused}, 1.0, true}});
  torch::optim::AdamW reference({theirs}, torch::optim::AdamWOptions(0.01).weight_decay(0.1));
  for (int i = 0; i < 20; ++i) {
    // A gradient in another memory order than its parameter.
    const auto gradient = (start * (0.3 + i)).sin().transpose(0, 2).contiguous().transpose(0, 2);
    ours.mutable_grad() = gradient;
    theirs.mutable_grad() = gradient.contiguous();
    optimizer.step();
    reference.step();
    CHECK((ours - theirs).abs().max().item<float>() < 1e-6);
  }
  CHECK((ours - start).abs().max().item<float>() > 0.05);
  CHECK(torch::equal(unused, start));
  CHECK(optimizer.state().size() == 3);
}

TEST_CASE("SGD with momentum and decay, two steps by hand", "[optimizer]") {
  const auto weight = parameter({1});
  auto config = config_of(OptimizerKind::sgd);
  config.momentum = 0.5;
  Optimizer optimizer(config, {{{"w"}, {weight}, 1.0, true}});
  set_grad(weight, {1});
  optimizer.step();  // g = 1 + 0.1 * 1, w = 1 - 0.11
  CHECK(weight.item<float>() == Approx(0.89));
  set_grad(weight, {1});
  optimizer.step();  // m = 0.55 + 1.089, w = 0.89 - 0.1639
  CHECK(weight.item<float>() == Approx(0.7261));
}

TEST_CASE("groups keep rates and decays that equal a library default", "[optimizer]") {
  OptimizerConfig config;
  config.lr = 1e-2;
  config.weight_decay = 1e-2;
  Optimizer optimizer(config, {{{"a"}, {parameter({1})}, 0.1, true}, {{"b"}, {parameter({1})}, 1.0, false}});
  CHECK(optimizer.group_options(0) == std::pair(1e-2 * 0.1, 1e-2));
  CHECK(optimizer.group_options(1) == std::pair(1e-2, 0.0));
  optimizer.set_lr(5e-2);
  CHECK(optimizer.group_options(0).first == 5e-2 * 0.1);
}

TEST_CASE("clipping scales all gradients to the norm asked for", "[optimizer]") {
  const auto a = parameter({0});
  const auto b = parameter({0});
  auto config = config_of(OptimizerKind::sgd);
  config.momentum = 0;
  config.clip_grad_norm = 1;
  Optimizer optimizer(config, {{{"a"}, {a}, 1.0, false}, {{"b"}, {b}, 1.0, false}});
  set_grad(a, {3});
  set_grad(b, {4});
  CHECK(optimizer.step() == Approx(5));
  CHECK(a.item<float>() == Approx(-0.06));
  CHECK(b.item<float>() == Approx(-0.08));
  set_grad(a, {INFINITY});
  CHECK_THROWS_AS(optimizer.step(), StateError);
}

TEST_CASE("restored state continues bit for bit", "[optimizer]") {
  for (const auto kind : {OptimizerKind::adamw, OptimizerKind::sgd}) {
    const auto weight = parameter({1, -2, 3});
    const auto run = [](Optimizer& optimizer, const torch::Tensor& w, int from, int to) {
      for (int i = from; i < to; ++i) {
        set_grad(w, {0.1F * static_cast<float>(i), 1, -0.7F / static_cast<float>(i + 1)});
        optimizer.step();
      }
    };
    Optimizer whole(config_of(kind), {{{"w"}, {weight}, 1.0, true}});
    run(whole, weight, 0, 5);

    const auto again = parameter({1, -2, 3});
    Optimizer first(config_of(kind), {{{"w"}, {again}, 1.0, true}});
    run(first, again, 0, 3);
    Optimizer second(config_of(kind), {{{"w"}, {again}, 1.0, true}});
    second.load_state(first.state());
    run(second, again, 3, 5);
    CHECK(values(again) == values(weight));
    CHECK(first.state().size() == (kind == OptimizerKind::adamw ? 3 : 1));

    const auto other = parameter({1, 2});
    Optimizer stranger(config_of(kind), {{{"w"}, {other}, 1.0, true}});
    CHECK_THROWS_WITH(stranger.load_state(first.state()), Catch::Contains("\"w."));
    Optimizer renamed(config_of(kind), {{{"v"}, {again}, 1.0, true}});
    CHECK_THROWS_AS(renamed.load_state(first.state()), CheckpointError);
  }
}

TEST_CASE("an RMT decays depthwise kernels and layer scale, never biases and norms", "[optimizer]") {
  const auto model = build_backbone(find_model("test_rmt_scale").config, 1);
  const auto groups = model->parameter_groups(0.5);
  std::map<std::string, vision::ParameterGroup> group_of;
  size_t count = 0;
  for (const auto& group : groups) {
    for (const auto& name : group.names) group_of[name] = group;
    count += group.names.size();
  }
  CHECK(count == model->parameters().size());
  CHECK(group_of.size() == count);
  for (const auto& item : model->named_parameters()) {
    INFO(item.key());
    CHECK(group_of.at(item.key()).weight_decay == (item.value().dim() > 1));
  }
  CHECK(group_of.at("layers.2.blocks.0.gamma_1").weight_decay);
  CHECK(group_of.at("layers.0.blocks.0.retention.lepe.conv.weight").weight_decay);
  CHECK_FALSE(group_of.at("layers.0.blocks.0.retention_layer_norm.weight").weight_decay);
  CHECK_FALSE(group_of.at("head.bias").weight_decay);
  CHECK(group_of.at("head.weight").lr_scale == 1.0);
  CHECK(group_of.at("patch_embed.proj.0.weight").lr_scale == Approx(std::pow(0.5, model->num_layers() - 1)));
}

TEST_CASE("optimizer settings out of range are refused by field", "[optimizer]") {
  OptimizerConfig config;
  config.betas = {0.9, 1.0};
  CHECK_THROWS_WITH(config.validate(), Catch::Contains("optimizer.betas"));
  config = {};
  config.lr = 0;
  CHECK_THROWS_WITH(config.validate(), Catch::Contains("optimizer.lr"));
  config = {};
  config.weight_decay = -1;
  CHECK_THROWS_AS(config.validate(), ConfigError);
  config = {};
  for (const double scale : {0.001, 1.0, 1000.0}) {
    config.backbone_scale = scale;
    CHECK_NOTHROW(config.validate());
  }
  for (const double scale : {0.0, -1.0, 1001.0, static_cast<double>(NAN)}) {
    config.backbone_scale = scale;
    CHECK_THROWS_WITH(config.validate(), Catch::Contains("optimizer.backbone_scale"));
  }
}

}  // namespace retentive::models
