#include <torch/torch.h>

#include <models/registry.h>
#include <models/state_dict.h>
#include <models/test_files.h>
#include <retention/base/error.h>
#include <retention/base/op_profile.h>
#include <retention/nn/inference.h>
#include <vision/vir_fixture.h>

using namespace retentive;
using namespace retentive::testing;
using namespace retentive::vision;
using Catch::Matchers::Contains;
using torch::Tensor;

TEST_CASE("sizes have the specified keys, shapes, parameters and MACs", "[vir][fixture]") {
  const auto known = read_fixture_json("vir/vir.keys.json")["models"];
  const std::map<std::string, std::string> names = {{"vir_tiny", "vir_t"},
                                                    {"vir_small", "vir_s"},
                                                    {"vir_base", "vir_b"},
                                                    {"vir_large", "vir_l"},
                                                    {"vir_large_p14", "vir_l14"}};
  REQUIRE(known.size() == names.size());
  for (const auto& [official, name] : names) {
    INFO(name);
    const auto& facts = known[official];
    const auto& row = models::find_model(name);
    const auto& config = std::get<VirConfig>(row.config);
    CHECK(models::count_parameters(row.config) == facts["parameters"].get<int64_t>());
    const auto model = std::dynamic_pointer_cast<VirImpl>(models::build_uninitialized(row.config));
    CHECK(models::count_parameters(*model) == facts["parameters"].get<int64_t>());
    CHECK(model->macs(224, 224, {Form::parallel, 0}) == facts["macs_parallel"].get<int64_t>());
    CHECK(model->macs(224, 224, {Form::recurrent, 0}) == facts["macs_recurrent"].get<int64_t>());
    CHECK(model->macs(224, 224) == model->macs(224, 224, {Form::parallel, 0}));
    CHECK(model->tokens(224, 224) == facts["tokens"].get<int64_t>());
    std::map<std::string, std::vector<int64_t>> expected, actual;
    for (const auto& [key, shape] : facts["keys"].items()) {
      const auto mark = key.find("{i}");
      for (int64_t i = 0; i < (mark == std::string::npos ? 1 : config.depth); ++i) {
        auto full = key;
        if (mark != std::string::npos) full.replace(mark, 3, std::to_string(i));
        expected[full] = shape.get<std::vector<int64_t>>();
      }
    }
    for (const auto& [key, tensor] : models::state_dict(*model)) actual[key] = tensor.sizes().vec();
    CHECK(actual == expected);
  }
}

TEST_CASE("a model's useful MACs are those that its operations count", "[vir]") {
  const auto& config = std::get<VirConfig>(models::find_model("vir_t").config);
  auto model = std::dynamic_pointer_cast<VirImpl>(models::build(config, /*seed=*/0));
  model->eval();
  nn::prepare_inference(*model, {.precision = Precision::fp32});
  const torch::NoGradGuard no_grad;
  for (const auto& [form, chunk] : {std::pair<Form, int64_t>{Form::parallel, 0},
                                    {Form::recurrent, 0},
                                    {Form::chunkwise, 0},
                                    {Form::chunkwise, 48}}) {
    CAPTURE(enum_name(form), chunk);
    model->set_call({form, chunk});
    const OpProfile profile;
    model->forward(random_tensor({1, 3, 96, 160}, 1));
    double gmacs = 0;
    for (const auto& [operation, row] : profile.rows()) gmacs += row.gmacs;
    CHECK(gmacs * 1e9 == Approx(model->useful_macs(96, 160)).epsilon(1e-4));
  }
}

TEST_CASE("auto says what it chooses", "[vir]") {
  auto model = lively_vir(test_vir_config(), 1);
  CHECK(model->resolve(Form::auto_, 197) == Form::parallel);
  CHECK(model->resolve(Form::auto_, 4097) == Form::chunkwise);
  for (const auto form : {Form::parallel, Form::recurrent, Form::chunkwise}) CHECK(model->resolve(form, 9) == form);
  model->set_call({Form::recurrent, 0});
  const torch::NoGradGuard no_grad;
  const auto image = random_tensor({1, 3, 32, 48}, 1);
  CHECK(deviation(model->forward(image), model->forward(image, {Form::parallel, 0})) <= 1e-4);
  CHECK(model->macs(32, 48) == model->macs(32, 48, {Form::recurrent, 0}));
}

TEST_CASE("any image size works and shapes are known before", "[vir]") {
  const torch::NoGradGuard no_grad;
  for (const auto pool : {VirPool::token_last, VirPool::avg}) {
    auto config = test_vir_config();
    config.pool = pool;
    auto model = lively_vir(config, 2);
    for (const auto& [h, w] : std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {16, 90}, {33, 47}, {64, 64}}) {
      INFO(h << "x" << w);
      const auto image = random_tensor({2, 3, h, w}, 1);
      const auto shape = model->output_shape(h, w).back();
      const auto map = model->forward_features(image);
      CHECK(map.sizes() == at::IntArrayRef({2, shape.channels, shape.height, shape.width}));
      const auto logits = model->forward(image), tokens = model->forward_tokens(image);
      CHECK(logits.sizes() == at::IntArrayRef({2, 10}));
      CHECK(deviation(model->forward_head(tokens), logits) <= 1e-5);
      CHECK(deviation(model->forward_head(tokens, true), model->forward_pooled(image)) <= 1e-5);
      CHECK(deviation(map.flatten(2).transpose(1, 2), tokens.narrow(1, 0, tokens.size(1) - 1)) == 0);
      if (pool == VirPool::avg) CHECK(deviation(model->forward_head(map), logits) <= 1e-5);
      if (pool == VirPool::token_last) CHECK_THROWS_AS(model->forward_head(map), InvalidArgument);
      const auto padded = torch::constant_pad_nd(image, {0, (16 - w % 16) % 16, 0, (16 - h % 16) % 16});
      CHECK(deviation(model->forward(padded), logits) == 0);
    }
  }
}

TEST_CASE("maps of blocks, prepared or not", "[vir]") {
  const torch::NoGradGuard no_grad;
  const auto image = random_tensor({1, 3, 48, 32}, 1);
  auto model = lively_vir(test_vir_config(), 3);
  const auto all = model->forward_intermediates(image, {0, 1, 2});
  REQUIRE(all.size() == 3);
  CHECK(all[0].sizes() == at::IntArrayRef({1, 24, 3, 2}));
  CHECK(deviation(all[0], all[1]) > 1e-3);
  const auto last = model->forward_intermediates(image, {2}, Layout::nhwc);
  CHECK(deviation(last[0].permute({0, 3, 1, 2}), all[2]) == 0);
  const auto parameters = model->named_parameters();
  const auto normed = torch::layer_norm(last[0], {24}, parameters["norm.weight"], parameters["norm.bias"], 1e-6);
  CHECK(deviation(normed.permute({0, 3, 1, 2}), model->forward_features(image)) <= 1e-5);
  CHECK_THROWS_AS(model->forward_intermediates(image, {3}), InvalidArgument);
  CHECK_THROWS_AS(model->forward_intermediates(image, {1, 0}), InvalidArgument);
  CHECK(model->forward_intermediates(image, {}).empty());
  REQUIRE(model->feature_info().size() == 3);
  CHECK(model->feature_info()[0].name == "block1");
  nn::prepare_inference(*model);
  const auto prepared = model->forward_intermediates(image, {0, 1, 2});
  for (size_t i = 0; i < 3; ++i) CHECK(deviation(prepared[i], all[i]) <= 1e-4);
  CHECK_THROWS_AS(model->train(), StateError);
  const torch::AutoGradMode enabled(true);
  CHECK_THROWS_AS(model->forward(image.clone().requires_grad_()), StateError);
  for (const auto form : {Form::parallel, Form::recurrent, Form::chunkwise}) {
    const auto logits = model->forward(image, {form, 2});
    CHECK_FALSE(logits.requires_grad());
    CHECK(logits.isfinite().all().item<bool>());
  }
}

TEST_CASE("the classifier is replaced; layers, weight decay and checkpointing", "[vir]") {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(5);
  auto config = test_vir_config();
  config.drop_path_rate = 0.4;
  auto model = lively_vir(config, 4);
  model->reset_classifier(0, generator);
  const auto image = random_tensor({4, 3, 64, 64}, 1);
  CHECK(deviation(model->forward(image), model->forward_pooled(image)) == 0);
  model->reset_classifier(7, generator);
  CHECK(model->forward(image).size(1) == 7);
  CHECK(model->num_layers() == 5);
  CHECK(model->layer_of("pos_embed") == 0);
  CHECK(model->layer_of("patch_embed.proj.weight") == 0);
  CHECK(model->layer_of("blocks.2.ls1.gamma") == 3);
  CHECK(model->layer_of("head.bias") == 4);
  for (const auto& group : model->parameter_groups(0.5)) {
    for (const auto& name : group.names) {
      const bool matrix = name.ends_with("proj.weight") || name.ends_with("qkv.weight") || name == "head.weight" ||
                          name.ends_with("fc1.weight") || name.ends_with("fc2.weight");
      INFO(name);
      CHECK(group.weight_decay == matrix);
    }
  }
  const auto step = [&](bool checkpointing, Form form) {
    auto copy = lively_vir(config, 4);
    copy->train();
    copy->set_generator(at::make_generator<at::CPUGeneratorImpl>(11));
    copy->set_grad_checkpointing(checkpointing);
    copy->forward(image, {form, 5}).square().sum().backward();
    std::vector<Tensor> gradients;
    for (const auto& parameter : copy->parameters()) gradients.push_back(parameter.grad().flatten());
    return torch::cat(gradients);
  };
  const auto plain = step(false, Form::parallel);
  CHECK(plain.abs().max().item<double>() > 0);
  CHECK(deviation(step(true, Form::parallel), plain) <= 1e-5);
  CHECK(deviation(step(true, Form::chunkwise), plain) <= 1e-4);
}

TEST_CASE("wrong configurations, images and forms are refused", "[vir]") {
  const auto refused = [](const std::function<void(VirConfig&)>& change) {
    auto config = test_vir_config();
    change(config);
    return message_of<ConfigError>([&] { config.validate(); });
  };
  CHECK_THAT(refused([](VirConfig& c) { c.num_heads = 5; }), Contains("[vir] dim is 24 and num_heads is 5"));
  CHECK_THAT(refused([](VirConfig& c) { c.patch_size = 0; }), Contains("patch_size is 0"));
  CHECK_THAT(refused([](VirConfig& c) { c.image_size[1] = -1; }), Contains("image_size is -1"));
  CHECK_THAT(refused([](VirConfig& c) { c.decay_dims = 3; }), Contains("decay_dims is 3; 1 to 2"));
  CHECK_THAT(refused([](VirConfig& c) { c.mlp_ratio = NAN; }), Contains("mlp_ratio"));
  CHECK_THAT(refused([](VirConfig& c) { c.drop_path_rate = 1; }), Contains("drop_path_rate"));
  CHECK_THAT(refused([](VirConfig& c) { c.norm_eps = -1; }), Contains("norm_eps"));
  CHECK_THAT(refused([](VirConfig& c) {
               c.mixer = MixerKind::attention;
               c.decay_dims = 2;
             }),
             Contains("decay_dims") && Contains("attention"));
  auto model = lively_vir(test_vir_config(), 1);
  CHECK_THROWS_AS(model->forward(torch::zeros({1, 1, 8, 8})), InvalidArgument);
  CHECK_THROWS_AS(model->forward(torch::zeros({1, 3, 0, 8})), InvalidArgument);
  CHECK_THROWS_AS(model->forward(torch::zeros({1, 3, 8, 8}), {Form::chunkwise, -1}), InvalidArgument);
  CHECK_THROWS_AS(model->forward_head(torch::zeros({1, 24})), InvalidArgument);
  auto softmax = test_vir_config();
  softmax.release_softmax = true;
  auto other = lively_vir(softmax, 1);
  CHECK_THROWS_AS(other->forward(torch::zeros({1, 3, 8, 8}), {Form::recurrent, 0}), Unsupported);
  CHECK_THROWS_AS(other->set_call({Form::chunkwise, 0}), Unsupported);
  CHECK(other->resolve(Form::auto_, 4097) == Form::parallel);
}
