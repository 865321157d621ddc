#include <ATen/record_function.h>
#include <torch/torch.h>

#include <retention/base/error.h>
#include <support/tensors.h>
#include <vision/rmt.h>

using namespace retentive;
using namespace retentive::testing;
using namespace retentive::vision;
using torch::Tensor;

namespace {

RmtConfig tiny_config(RmtHead head = RmtHead::classifier) {
  RmtConfig config;
  config.embed_dims = {8, 16, 16, 32};
  config.depths = {1, 2, 1, 1};
  config.num_heads = {2, 1, 2, 2};
  config.mlp_ratios = {2, 2, 2, 2};
  config.decomposed = {true, true, false, false};
  config.layer_scale = {false, false, true, true};
  config.layer_scale_init = 0.5;
  config.projection_dim = 24;
  config.num_classes = 5;
  config.head = head;
  return config;
}

Rmt make_model(const RmtConfig& config, uint64_t seed = 3) {
  Rmt model(config);
  model->initialize(at::make_generator<at::CPUGeneratorImpl>(seed));
  model->eval();
  return model;
}

std::atomic<int> masa_calls{0};

// Counts how often a MaSA op is dispatched while `body` runs.
template <class Body>
int count_masa_calls(Body&& body) {
  masa_calls = 0;
  const auto handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback([](const at::RecordFunction& fn) -> std::unique_ptr<at::ObserverContext> {
        if (std::string(fn.name()).starts_with("retentive::masa")) ++masa_calls;
        return nullptr;
      }));
  body();
  at::removeCallback(handle);
  return masa_calls;
}

Tensor flat_gradients(Rmt& model) {
  std::vector<Tensor> parts;
  for (const auto& parameter : model->parameters()) parts.push_back(parameter.grad().flatten());
  return torch::cat(parts);
}

}  // namespace

TEST_CASE("any input size from 1x1 works, and shapes are known before", "[rmt]") {
  torch::NoGradGuard no_grad;
  auto model = make_model(tiny_config());
  CHECK(model->size_divisibility() == 1);
  for (const auto& [h, w] : std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {2, 9}, {33, 47}, {50, 70}, {97, 65}}) {
    INFO(h << "x" << w);
    const auto image = random_tensor({2, 3, h, w}, 1);
    const auto maps = model->forward_intermediates(image, {0, 1, 2, 3});
    const auto specs = model->output_shape(h, w);
    for (size_t s = 0; s < 4; ++s) {
      CHECK(maps[s].sizes() == at::IntArrayRef({2, specs[s].channels, specs[s].height, specs[s].width}));
      CHECK(specs[s].stride == model->feature_info()[s].reduction);
    }
    const auto logits = model->forward(image);
    CHECK(logits.sizes() == at::IntArrayRef({2, 5}));
    CHECK(torch::isfinite(logits).all().item<bool>());
    CHECK(deviation(model->forward(image.slice(0, 1, 2)), logits.slice(0, 1, 2)) < 1e-5);
  }
}

TEST_CASE("forward_intermediates stops after the last stage asked for", "[rmt]") {
  torch::NoGradGuard no_grad;
  auto model = make_model(tiny_config());
  const auto image = random_tensor({1, 3, 32, 32}, 1);
  const auto all = model->forward_intermediates(image, {0, 1, 2, 3});
  CHECK(count_masa_calls([&] { model->forward_intermediates(image, {0}); }) == 1);
  CHECK(count_masa_calls([&] { model->forward_intermediates(image, {0, 1}); }) == 3);
  CHECK(count_masa_calls([&] { model->forward_intermediates(image, {3}); }) == 5);
  CHECK(count_masa_calls([&] { model->forward_intermediates(image, {}); }) == 0);
  const auto nhwc = model->forward_intermediates(image, {1, 3}, Layout::nhwc);
  REQUIRE(nhwc.size() == 2);
  CHECK(deviation(nhwc[0].permute({0, 3, 1, 2}), all[1]) == 0);
  CHECK(deviation(nhwc[1].permute({0, 3, 1, 2}), all[3]) == 0);
  CHECK(deviation(model->forward_features(image), all[3]) == 0);
  CHECK_THROWS_AS(model->forward_intermediates(image, {4}), InvalidArgument);
  CHECK_THROWS_AS(model->forward_intermediates(image, {1, 0}), InvalidArgument);
}

TEST_CASE("reset_classifier replaces, removes and restores the head", "[rmt]") {
  torch::NoGradGuard no_grad;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(5);
  for (const auto head : {RmtHead::classifier, RmtHead::token_label}) {
    auto model = make_model(tiny_config(head));
    const auto image = random_tensor({2, 3, 32, 32}, 1);
    const auto features = model->forward_features(image);
    model->reset_classifier(0, generator);
    CHECK(deviation(model->forward(image), model->forward_head(features, true)) == 0);
    model->reset_classifier(9, generator);
    CHECK(model->forward(image).size(1) == 9);
    CHECK(model->config().num_classes == 9);
    CHECK(deviation(model->forward_features(image), features) == 0);
    const auto names = model->named_parameters().keys();
    CHECK(std::count(names.begin(), names.end(), "aux_head.weight") == (head == RmtHead::token_label ? 1 : 0));
    CHECK_THROWS_AS(model->reset_classifier(-1, generator), ConfigError);
    CHECK(model->config().num_classes == 9);
  }
  auto backbone = make_model(tiny_config(RmtHead::none));
  CHECK_THROWS_AS(backbone->reset_classifier(3, generator), StateError);
  CHECK_THROWS_AS(backbone->forward(random_tensor({1, 3, 8, 8}, 1)), StateError);
}

TEST_CASE("out_indices choose the pyramid's maps", "[rmt]") {
  torch::NoGradGuard no_grad;
  auto config = tiny_config(RmtHead::none);
  auto all = make_model(config);
  config.out_indices = {1, 3};
  auto some = make_model(config);
  const auto image = random_tensor({1, 3, 43, 75}, 1);
  const auto expected = all->forward_pyramid(image), maps = some->forward_pyramid(image);
  REQUIRE(maps.size() == 2);
  CHECK(deviation(maps[0], expected[1]) == 0);
  CHECK(deviation(maps[1], expected[3]) == 0);
}

TEST_CASE("parameter groups follow depth and the no-decay rule", "[rmt]") {
  auto model = make_model(tiny_config());
  CHECK(model->num_layers() == 7);  // stem, five blocks, head
  CHECK(model->layer_of("patch_embed.proj.0.weight") == 0);
  CHECK(model->layer_of("layers.0.blocks.0.gamma_1") == 1);
  CHECK(model->layer_of("layers.1.blocks.1.ffn.fc1.weight") == 3);
  CHECK(model->layer_of("layers.1.downsample.norm.weight") == 3);
  CHECK(model->layer_of("head.bias") == 6);
  size_t count = 0;
  std::map<std::string, const ParameterGroup*> group_of;
  const auto groups = model->parameter_groups(0.5);
  for (const auto& group : groups) {
    count += group.names.size();
    for (const auto& name : group.names) group_of[name] = &group;
  }
  CHECK(count == model->parameters().size());
  CHECK(group_of.at("layers.2.blocks.0.gamma_1")->weight_decay);
  CHECK(group_of.at("layers.0.blocks.0.pos.conv.weight")->weight_decay);
  CHECK_FALSE(group_of.at("layers.0.blocks.0.pos.conv.bias")->weight_decay);
  CHECK_FALSE(group_of.at("norm.weight")->weight_decay);
  CHECK(group_of.at("head.weight")->lr_scale == 1.0);
  CHECK(group_of.at("layers.1.blocks.0.retention.q_proj.weight")->lr_scale == Approx(std::pow(0.5, 4)));
  CHECK(group_of.at("patch_embed.proj.0.weight")->lr_scale == Approx(std::pow(0.5, 6)));
}

TEST_CASE("gradient checkpointing changes memory, not gradients", "[rmt]") {
  auto config = tiny_config();
  config.drop_path_rate = 0.4;
  const auto image = random_tensor({4, 3, 32, 32}, 1);
  const auto step = [&](bool checkpointing) {
    auto model = make_model(config);
    model->train();
    model->set_generator(at::make_generator<at::CPUGeneratorImpl>(11));
    model->set_grad_checkpointing(checkpointing);
    const auto loss = model->forward(image).square().sum();
    loss.backward();
    return std::pair{loss.item<double>(), flat_gradients(model)};
  };
  const auto [plain_loss, plain] = step(false);
  const auto [loss, gradients] = step(true);
  CHECK(loss == plain_loss);
  CHECK(deviation(gradients, plain) < 1e-6);
  CHECK(plain.abs().max().item<double>() > 0);
}

TEST_CASE("stochastic depth keeps the expectation and draws from its generator", "[rmt]") {
  nn::DropPath drop(0.25);
  drop->set_generator(at::make_generator<at::CPUGeneratorImpl>(2));
  const auto ones = torch::ones({4000, 2, 3});
  const auto kept = drop->forward(ones);
  CHECK(kept.mean().item<double>() == Approx(1.0).margin(0.03));
  CHECK(kept.max().item<double>() == Approx(1 / 0.75));
  CHECK((kept.select(1, 0) == kept.select(1, 1)).all().item<bool>());
  drop->set_generator(at::make_generator<at::CPUGeneratorImpl>(2));
  CHECK(deviation(drop->forward(ones), kept) == 0);
  drop->eval();
  CHECK(deviation(drop->forward(ones), ones) == 0);
}

TEST_CASE("token-label mixing exchanges a box and takes the logits back", "[rmt]") {
  torch::NoGradGuard no_grad;
  auto model = make_model(tiny_config(RmtHead::token_label));
  const auto image = random_tensor({2, 3, 64, 64}, 1);
  const auto plain = model->forward_token_label(image);
  const auto swapped = model->forward_token_label(image, MixBox{0, 0, 2, 2});
  CHECK(deviation(swapped.cls_logits, plain.cls_logits.flip(0)) < 1e-6);
  CHECK(deviation(swapped.aux_logits, plain.aux_logits) < 1e-6);
  const auto mixed = model->forward_token_label(image, MixBox{0, 1, 1, 2});
  CHECK(deviation(mixed.cls_logits, plain.cls_logits) > 1e-6);
  CHECK(deviation(mixed.cls_logits, swapped.cls_logits) > 1e-6);
  CHECK_THROWS_AS(model->forward_token_label(image, MixBox{0, 0, 3, 1}), InvalidArgument);
  CHECK_THROWS_AS(model->forward_token_label(random_tensor({1, 3, 40, 64}, 1), MixBox{}), InvalidArgument);
  CHECK_THROWS_AS(make_model(tiny_config())->forward_token_label(image), StateError);
}

TEST_CASE("initialisation is the publication's, from its seed alone", "[rmt]") {
  torch::NoGradGuard no_grad;
  auto config = tiny_config();
  config.embed_dims = {64, 64, 64, 64};
  auto model = make_model(config, 3), twin = make_model(config, 3), other = make_model(config, 4);
  const auto parameters = model->named_parameters();
  for (const auto& item : parameters) CHECK(deviation(twin->named_parameters()[item.key()], item.value()) == 0);
  const std::string fc1 = "layers.0.blocks.0.ffn.fc1.weight";
  CHECK(deviation(other->named_parameters()[fc1], parameters[fc1]) > 0);
  CHECK(parameters[fc1].std().item<double>() == Approx(0.02).epsilon(0.05));
  CHECK(parameters["layers.0.blocks.0.ffn.fc1.bias"].abs().max().item<double>() == 0);
  const auto depthwise = parameters["layers.0.blocks.0.pos.conv.weight"].abs().max().item<double>();
  CHECK(depthwise <= 1.0 / 3);
  CHECK(depthwise > 0.3);
  CHECK(parameters["layers.2.blocks.0.gamma_1"].mean().item<double>() == Approx(0.5));
  CHECK(model->named_buffers()["norm.running_var"].min().item<double>() == 1);
}

TEST_CASE("wrong images and configurations are refused by name", "[rmt]") {
  auto model = make_model(tiny_config());
  CHECK_THROWS_WITH(model->forward(torch::zeros({1, 1, 32, 32})), Catch::Contains("[1, 1, 32, 32]"));
  CHECK_THROWS_AS(model->forward(torch::zeros({3, 32, 32})), InvalidArgument);
  CHECK_THROWS_AS(model->forward(torch::zeros({0, 3, 32, 32})), InvalidArgument);
  model->train();
  CHECK_THROWS_WITH(model->forward(torch::zeros({1, 3, 8, 8})), Catch::Contains("[batch_norm]"));
  const auto refuses = [](const char* what, auto&& spoil) {
    auto config = tiny_config();
    spoil(config);
    CHECK_THROWS_AS(Rmt(config), ConfigError);
    CHECK_THROWS_WITH(Rmt(config), Catch::Contains(what));
  };
  refuses("depths has 3", [](RmtConfig& c) { c.depths.pop_back(); });
  refuses("num_heads[1]", [](RmtConfig& c) { c.num_heads[1] = 3; });
  refuses("num_heads[0] is 0", [](RmtConfig& c) { c.num_heads[0] = 0; });
  refuses("out_indices[1]", [](RmtConfig& c) { c.out_indices = {1, 1}; });
  refuses("drop_path_rate", [](RmtConfig& c) { c.drop_path_rate = 1; });
  refuses("decay_init[2]", [](RmtConfig& c) { c.decay_init[2] = NAN; });
}
