#include <models/detail/vir_rows.h>

namespace retentive::models {
namespace {

using vision::VirConfig;

const std::string kVirWeights =
    "none are published by its authors; train one, from a ViT's weights (model.weights of a run) or from nothing";
const std::string kVitWeights =
    "published with timm under vit_*_patch16_224: retentive convert FILE.safetensors OUT.safetensors";

VirConfig vir(int64_t dim, int64_t depth, int64_t heads, double drop_path) {
  VirConfig config;
  config.dim = dim;
  config.depth = depth;
  config.num_heads = heads;
  config.layer_scale_init = 1e-5;
  config.drop_path_rate = drop_path;
  return config;
}

// timm's ViT of the same size: softmax attention, no layer scale.
VirConfig vit(VirConfig config) {
  config.mixer = MixerKind::attention;
  config.layer_scale_init.reset();
  return config;
}

VirConfig with_patch(VirConfig config, int64_t patch) {
  config.patch_size = patch;
  return config;
}

VirConfig vir_nano() {
  VirConfig config = vir(128, 8, 4, 0.1);
  config.image_size = {28, 28};
  config.patch_size = 4;
  config.in_channels = 1;
  config.num_classes = 10;
  config.layer_scale_init.reset();
  return config;
}

VirConfig test_vir() {
  VirConfig config = vir(24, 3, 3, 0);
  config.image_size = {64, 64};
  config.num_classes = 10;
  return config;
}

ModelRow vir_row(const char* name, const VirConfig& config, const char* description, const std::string& weights) {
  vision::Preprocessing input;
  input.crop = config.image_size;
  input.resize_shorter = config.image_size[0] * 10 / 9;  // crop 0.9, rounded down
  input.mean = input.std = {0.5, 0.5, 0.5};
  return {.name = name,
          .config = config,
          .preprocessing = input,
          .labels = config.num_classes == 1000 ? "imagenet1k" : "",
          .description = description,
          .published_top1 = std::nullopt,
          .weights_note = weights};
}

}  // namespace

std::vector<ModelRow> detail::vir_rows() {
  const auto tiny = vir(192, 12, 3, 0), small = vir(384, 12, 6, 0.2), base = vir(768, 12, 12, 0.2),
             large = vir(1024, 24, 16, 0.2);
  return {vir_row("vir_t", tiny, "ViR tiny: 5.7 M parameters", kVirWeights),
          vir_row("vir_s", small, "ViR small: 22 M parameters", kVirWeights),
          vir_row("vir_b", base, "ViR base: 87 M parameters", kVirWeights),
          vir_row("vir_l", large, "ViR large: 304 M parameters", kVirWeights),
          vir_row("vir_l14", with_patch(large, 14), "ViR large with patches of 14: 304 M parameters", kVirWeights),
          vir_row("vit_t", vit(tiny), "softmax attention in ViR tiny's place", kVitWeights),
          vir_row("vit_s", vit(small), "softmax attention in ViR small's place", kVitWeights),
          vir_row("vit_b", vit(base), "softmax attention in ViR base's place", kVitWeights),
          vir_row("vit_l", vit(large), "softmax attention in ViR large's place", kVitWeights),
          {.name = "vir_nano",
           .config = vir_nano(),
           .preprocessing = detail::digit_input(),
           .labels = "digits",
           .description = "small ViR for 28x28 grey images, trained on handwritten digits",
           .published_top1 = std::nullopt,
           .weights_note = "ships with this repository: classify --model vir_nano"},
          vir_row("test_vir", test_vir(), "tiny ViR", "none: random weights, for tests")};
}

}  // namespace retentive::models
