#include <torch/torch.h>

#include <retention/ops/masa.h>
#include <support/tensors.h>
#include <vision/layers.h>
#include <vision/masa.h>
#include <vision/rmt.h>

using namespace retentive;
using namespace retentive::testing;
using namespace retentive::vision;
using torch::Tensor;

namespace {

constexpr double kForward = 2e-5;
constexpr double kMasaGrads = 5e-5;
constexpr double kBlockGrads = 1e-4;

// Runs sum(y * g).backward() and compares y, grad_x and the gradient of every parameter.
template <class Forward>
void check_case(const Fixture& fixture, const std::string& name, torch::nn::Module& module, double grad_tolerance,
                WorstDeviation& forward_worst, WorstDeviation& grad_worst, Forward&& forward) {
  INFO(name);
  const auto x = fixture.get(name + "/x").requires_grad_(true);
  const Tensor y = forward(x);
  CHECK(forward_worst.add(name, deviation(y, fixture.get(name + "/y"))) <= kForward);
  (y * fixture.get(name + "/g")).sum().backward();
  CHECK(grad_worst.add(name + " x", deviation(x.grad(), fixture.get(name + "/grad_x"))) <= grad_tolerance);
  for (const auto& item : module.named_parameters()) {
    INFO(item.key());
    const auto expected = fixture.get(name + "/grad_" + item.key());
    CHECK(grad_worst.add(name + " " + item.key(), deviation(item.value().grad(), expected)) <= grad_tolerance);
  }
}

}  // namespace

TEST_CASE("MaSA modules equal the reference, gradients included", "[masa][fixture]") {
  const Fixture fixture("rmt/ops_masa");
  WorstDeviation forward_worst("ops_masa forward"), grad_worst("ops_masa gradients"), op_worst("ops_masa op alone");
  const auto description = read_fixture_json("rmt/ops_masa.json");
  REQUIRE(description["cases"].size() == 6);
  for (const auto& item : description["cases"]) {
    const std::string name = item["name"];
    const int64_t channels = item["channels"], heads = item["num_heads"];
    const bool decomposed = item["mode"] == "decomposed";
    ManhattanAttention module(channels, heads, decomposed, DecayMode::release);
    fixture.load_into(*module, name + "/");
    RelativePosition position(channels, heads, item["initial_value"], item["heads_range"]);
    check_case(fixture, name, *module, kMasaGrads, forward_worst, grad_worst,
               [&](const Tensor& x) { return module->forward(x, position, {}); });

    const auto mid = [&](const char* key) { return fixture.get(name + key).unflatten(-1, {heads, -1}); };
    const auto attend = decomposed ? &masa_decomposed : &masa;
    const auto out = attend(mid("/mid_q"), mid("/mid_k_scaled"), mid("/mid_v"), position->decay, position->angle, 1.0,
                            DecayMode::release);
    const auto expected = fixture.get(name + "/mid_pre_out_proj") - fixture.get(name + "/mid_lepe");
    CHECK(op_worst.add(name, deviation(out.flatten(-2), expected)) <= kForward);
  }
}

TEST_CASE("stem and downsampling equal the reference in both modes", "[fixture]") {
  const Fixture fixture("rmt/ops_blocks");
  WorstDeviation forward_worst("ops_blocks stem, downsampling"), grad_worst("ops_blocks stem, downsampling grads");
  WorstDeviation stats_worst("ops_blocks BatchNorm statistics");
  for (const bool training : {false, true}) {
    const std::string mode = training ? "_train" : "_eval";
    ConvStem stem(3, 24);
    Downsample downsample(16, 28);
    const auto check = [&](const std::string& name, torch::nn::Module& module, auto&& forward) {
      fixture.load_into(module, name + "/");
      module.train(training);
      check_case(fixture, name, module, kBlockGrads, forward_worst, grad_worst, forward);
      for (const auto& item : module.named_buffers()) {
        if (!training) break;
        const auto expected = fixture.get(name + "/after_" + item.key());
        CHECK(stats_worst.add(item.key(), deviation(item.value(), expected)) <= kForward);
      }
    };
    check("patch_embed" + mode, *stem, [&](const Tensor& x) { return stem->forward(x); });
    check("patch_merging" + mode, *downsample, [&](const Tensor& x) { return downsample->forward(x); });
  }
}

TEST_CASE("feed-forward and blocks equal the reference", "[fixture]") {
  const Fixture fixture("rmt/ops_blocks");
  WorstDeviation forward_worst("ops_blocks feed-forward, blocks"), grad_worst("ops_blocks feed-forward, blocks grads");
  ConvFeedForward ffn(24, 72);
  fixture.load_into(*ffn, "ffn/");
  check_case(fixture, "ffn", *ffn, kBlockGrads, forward_worst, grad_worst,
             [&](const Tensor& x) { return ffn->forward(x, {}); });
  const auto description = read_fixture_json("rmt/ops_blocks.json");
  REQUIRE(description["cases"].size() == 10);
  for (const auto& item : description["cases"]) {
    const std::string name = item["name"];
    if (!name.starts_with("retblock")) continue;
    RmtBlock block(RmtBlockImpl::Options{.channels = item["embed_dim"],
                                         .num_heads = item["num_heads"],
                                         .ffn_dim = item["ffn_dim"],
                                         .decomposed = item["mode"] == "decomposed",
                                         .layer_scale = item["layerscale"]});
    fixture.load_into(*block, name + "/");
    RelativePosition position(item["embed_dim"], item["num_heads"], item["initial_value"], item["heads_range"]);
    fixture.load_into(*position, name + "/");
    check_case(fixture, name, *block, kBlockGrads, forward_worst, grad_worst,
               [&](const Tensor& x) { return block->forward(x, position); });
  }
}

TEST_CASE("classification head and layer norms equal the reference", "[fixture]") {
  const Fixture fixture("rmt/ops_blocks");
  WorstDeviation forward_worst("ops_blocks head"), grad_worst("ops_blocks head grads");
  RmtConfig config;
  config.embed_dims = {8, 8, 8, 24};
  config.num_heads = {1, 1, 1, 1};
  config.depths = {1, 1, 1, 1};
  config.projection_dim = 20;
  config.num_classes = 6;
  Rmt model(config);  // in training mode: the fixture's values are those of batch statistics
  torch::nn::Module head;
  for (const char* part : {"proj", "norm", "head"}) head.register_module(part, model->named_children()[part]);
  fixture.load_into(head, "head/");
  check_case(fixture, "head", head, kBlockGrads, forward_worst, grad_worst, [&](const Tensor& x) {
    return model->forward_head(x.permute({0, 3, 1, 2}));
  });
  const auto features = fixture.get("head/x").permute({0, 3, 1, 2});
  CHECK(deviation(model->forward_head(features, true), fixture.get("head/pooled")) <= kForward);

  for (const auto& [eps, key] : std::vector<std::pair<double, std::string>>{{1e-5, "1e-5"}, {1e-6, "1e-6"}}) {
    nn::LayerNorm norm(10, eps);
    fixture.load_into(*norm, "layernorm/");
    CHECK(deviation(norm->forward(fixture.get("layernorm/x")), fixture.get("layernorm/y_eps_" + key)) <= kForward);
  }
}
