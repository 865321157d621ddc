#include <algorithm>

#include <torch/torch.h>

#include <models/checkpoint.h>
#include <models/registry.h>
#include <models/test_files.h>
#include <models/upstream_keys.h>
#include <models/vit_keys.h>
#include <retention/base/error.h>
#include <retention/nn/inference.h>
#include <vision/vir_fixture.h>

using namespace retentive;
using namespace retentive::testing;
using Catch::Matchers::Contains;
using models::NamedTensors;
using torch::Tensor;
using vision::VirConfig;

namespace {

VirConfig tiny_vit() {
  auto config = test_vir_config();
  config.mixer = MixerKind::attention;
  config.layer_scale_init.reset();
  return config;
}

/// Random tensors under timm's names, with its table of N + 1 rows, the class token's first.
NamedTensors timm_tensors(const VirConfig& config, bool fc_norm = false) {
  NamedTensors tensors;
  uint64_t seed = 100;
  const auto add = [&](const std::string& name, at::IntArrayRef shape) {
    const double centre = name.find("norm") != std::string::npos && name.ends_with("weight") ? 1 : 0;
    tensors.push_back({name, random_tensor(shape, ++seed) * 0.3 + centre});
  };
  const auto dim = config.dim, patch = config.patch_size;
  add("cls_token", {1, 1, dim});
  add("pos_embed", {1, 1 + config.grid()[0] * config.grid()[1], dim});
  add("patch_embed.proj.weight", {dim, 3, patch, patch});
  tensors.back().tensor.mul_(0.1);
  add("patch_embed.proj.bias", {dim});
  const auto add_linear = [&](const std::string& name, int64_t in, int64_t out) {
    add(name + ".weight", {out, in});
    add(name + ".bias", {out});
  };
  const auto add_norm = [&](const std::string& name) {
    add(name + ".weight", {dim});
    add(name + ".bias", {dim});
  };
  for (int64_t i = 0; i < config.depth; ++i) {
    const auto block = "blocks." + std::to_string(i) + ".";
    add_norm(block + "norm1");
    add_linear(block + "attn.qkv", dim, 3 * dim);
    add_linear(block + "attn.proj", dim, dim);
    add_norm(block + "norm2");
    add_linear(block + "mlp.fc1", dim, config.mlp_dim());
    add_linear(block + "mlp.fc2", config.mlp_dim(), dim);
  }
  add_norm(fc_norm ? "fc_norm" : "norm");
  add_linear("head", dim, config.num_classes);
  return tensors;
}

/// timm's forward pass, written out: class token first, all positions added, plain softmax.
Tensor timm_logits(const NamedTensors& tensors, const VirConfig& config, const Tensor& image, bool fc_norm = false) {
  const auto get = [&](const std::string& name) { return *models::find_tensor(tensors, name); };
  const auto linear = [&](const Tensor& x, const std::string& name) {
    return torch::matmul(x, get(name + ".weight").t()) + get(name + ".bias");
  };
  const auto norm = [&](const Tensor& x, const std::string& name) {
    const auto centred = x - x.mean(-1, true);
    return centred / torch::sqrt(centred.square().mean(-1, true) + 1e-6) * get(name + ".weight") + get(name + ".bias");
  };
  auto x = torch::conv2d(image, get("patch_embed.proj.weight"), get("patch_embed.proj.bias"), config.patch_size);
  x = torch::cat({get("cls_token").expand({image.size(0), 1, -1}), x.flatten(2).transpose(1, 2)}, 1) + get("pos_embed");
  const auto count = x.size(1);
  for (int64_t i = 0; i < config.depth; ++i) {
    const auto block = "blocks." + std::to_string(i) + ".";
    const auto qkv = linear(norm(x, block + "norm1"), block + "attn.qkv");
    const auto heads = qkv.reshape({image.size(0), count, 3, config.num_heads, -1}).permute({2, 0, 3, 1, 4});
    const auto scores = torch::matmul(heads[0], heads[1].transpose(-2, -1)) / std::sqrt(double(config.head_dim()));
    const auto mixed = torch::matmul(torch::softmax(scores, -1), heads[2]).transpose(1, 2).flatten(2);
    x = x + linear(mixed, block + "attn.proj");
    x = x + linear(torch::gelu(linear(norm(x, block + "norm2"), block + "mlp.fc1")), block + "mlp.fc2");
  }
  if (fc_norm) return linear(norm(x.slice(1, 1).mean(1), "fc_norm"), "head");
  return linear(norm(x, "norm").select(1, 0), "head");
}

}  // namespace

TEST_CASE("timm's ViT checkpoints load and give timm's logits", "[vit]") {
  const torch::NoGradGuard no_grad;
  const TemporaryFolder folder;
  WorstDeviation worst("vit from timm's layout");
  const auto image = random_tensor({2, 3, 64, 64}, 9);
  for (const bool avg : {false, true}) {
    const auto tensors = timm_tensors(tiny_vit(), avg);
    models::save_checkpoint(folder / "vit.safetensors", tensors, {});
    auto config = tiny_vit();
    if (avg) config.pool = vision::VirPool::avg;
    models::ModelChoice choice;
    choice.config = config;
    const auto expected = timm_logits(tensors, config, image, avg);
    for (const auto precision : {Precision::fp32, Precision::bf16}) {
      const auto loaded = models::load_model(folder / "vit.safetensors", choice);
      const auto model = models::as_backbone(loaded.model, "vit");
      CHECK(worst.add("eager", deviation(model->forward(image), expected)) <= 1e-5);
      nn::prepare_inference(*model, {.precision = precision});
      const auto error = deviation(model->forward(image), expected);
      CHECK(error <= (precision == Precision::fp32 ? 1e-4 : std::sqrt(20.0) / 256));
    }
    models::save_checkpoint(folder / "again.safetensors", *models::load_model(folder / "vit.safetensors", choice).model,
                            {.config = config});
    const auto again = models::as_backbone(models::load_model(folder / "again.safetensors").model, "again");
    CHECK(deviation(again->forward(image), expected) <= 1e-5);
  }
}

TEST_CASE("files are recognised by their shapes, another resolution too", "[vit]") {
  auto config = std::get<VirConfig>(models::find_model("vit_t").config);
  config.num_classes = 5;
  config.image_size = {384, 384};
  auto tensors = timm_tensors(config);
  models::to_native_vit_keys(tensors);
  CHECK(models::find_tensor(tensors, "pos_embed")->size(1) == 576);
  const auto found = models::identify(tensors);
  REQUIRE(found.row != nullptr);
  CHECK(found.row->name == "vit_t");
  const auto& adapted = std::get<VirConfig>(*found.config);
  CHECK(adapted.num_classes == 5);
  CHECK(adapted.image_size == std::array<int64_t, 2>{384, 384});
  CHECK_FALSE(adapted.layer_scale_init.has_value());
  const auto before = models::find_tensor(tensors, "cls_token")->clone();
  models::to_native_vit_keys(tensors);  // a table of a square belongs to a file of this library
  CHECK(models::find_tensor(tensors, "cls_token")->equal(before));
  models::Checkpoint checkpoint{.path = "file", .tensors = tensors};
  const auto loaded = models::load_model(checkpoint);
  CHECK(loaded.card.name == "vit_t");
  CHECK(loaded.card.preprocessing->crop == std::array<int64_t, 2>{384, 384});
  const auto vir = models::build_uninitialized(models::find_model("vir_s").config);
  CHECK(models::identify(models::state_dict(*vir)).row->name == "vir_s");
}

TEST_CASE("attention has one form", "[vit]") {
  auto model = lively_vir(tiny_vit(), 1);
  const auto image = torch::zeros({1, 3, 64, 64});
  CHECK_THROWS_AS(model->forward(image, {Form::recurrent, 0}), Unsupported);
  CHECK_THROWS_AS(model->forward(image, {Form::chunkwise, 4}), Unsupported);
  CHECK(model->resolve(Form::auto_, 100000) == Form::parallel);
  CHECK(model->macs(64, 64) == lively_vir(test_vir_config(), 1)->macs(64, 64));
}

TEST_CASE("a ViR starts from a ViT, and says what does not fit", "[vit]") {
  const auto names = [](const std::vector<std::string>& notes) {
    std::string all;
    for (const auto& note : notes) all += note + "\n";
    return all;
  };
  auto tensors = timm_tensors(tiny_vit());
  models::to_native_vit_keys(tensors);
  const models::Checkpoint checkpoint{.path = "vit", .tensors = tensors};
  auto config = test_vir_config();
  config.num_classes = 4;
  config.image_size = {96, 64};
  auto model = lively_vir(config, 3);
  const auto head = model->named_parameters()["head.weight"].clone();
  const auto notes = names(models::start_from_vit(*model, checkpoint));
  CHECK_THAT(notes, Contains("head.weight") && Contains("pos_embed is resampled from 4x4 to 6x4") &&
                        Contains("6 layer scales become 1"));
  CHECK(std::count(notes.begin(), notes.end(), '\n') == 4);
  const auto parameters = model->named_parameters();
  CHECK(parameters["head.weight"].equal(head));
  CHECK(parameters["blocks.1.retention.qkv.weight"].equal(*models::find_tensor(tensors, "blocks.1.attn.qkv.weight")));
  CHECK(parameters["blocks.2.retention.out_proj.bias"].equal(*models::find_tensor(tensors, "blocks.2.attn.proj.bias")));
  CHECK(parameters["cls_token"].equal(*models::find_tensor(tensors, "cls_token")));
  CHECK((parameters["blocks.0.ls2.gamma"] == 1).all().item<bool>());
  const auto table = *models::find_tensor(tensors, "pos_embed");
  CHECK(deviation(parameters["pos_embed"], vision::GridPositions(table, {4, 4}, {6, 4}).rows(0, 24)) <= 1e-6);

  config.depth = 4;
  auto deeper = lively_vir(config, 3);
  CHECK_THAT(names(models::start_from_vit(*deeper, checkpoint)), Contains("blocks.3.norm1.weight keeps its initial"));
  config.dim = 48;
  auto wider = lively_vir(config, 3);
  CHECK_THROWS_AS(models::start_from_vit(*wider, checkpoint), CheckpointError);
  auto vit = lively_vir(tiny_vit(), 3);
  CHECK_THROWS_AS(models::start_from_vit(*vit, checkpoint), InvalidArgument);
}
