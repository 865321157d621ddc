#include <models/detail/detector_rows.h>
#include <models/detail/vir_rows.h>

namespace retentive::models {
namespace {

using vision::Preprocessing;
using vision::RmtConfig;
using vision::RmtHead;

const std::string kRmtWeights =
    "published by the RMT authors as .pth (links in the repository qhfan/RMT): retentive convert FILE.pth "
    "FILE.safetensors";
const std::string kNanoWeights = "ships with this repository: the model that classify uses without flags";
const std::string kExperimentWeights = "none: random weights, for comparisons of mixers";
const std::string kTestWeights = "none: random weights, for tests";

RmtConfig rmt_t() { return {}; }

RmtConfig rmt_s() {
  RmtConfig config;
  config.depths = {3, 4, 18, 4};
  config.mlp_ratios = {4, 4, 3, 3};
  config.decomposed = {true, true, true, false};
  config.drop_path_rate = 0.15;
  return config;
}

RmtConfig rmt_b() {
  RmtConfig config = rmt_s();
  config.embed_dims = {80, 160, 320, 512};
  config.depths = {4, 8, 25, 8};
  config.num_heads = {5, 5, 10, 16};
  config.decay_range = {5, 5, 6, 6};
  config.layer_scale = {false, false, true, true};
  config.drop_path_rate = 0.4;
  return config;
}

RmtConfig rmt_l() {
  RmtConfig config = rmt_b();
  config.embed_dims = {112, 224, 448, 640};
  config.num_heads = {7, 7, 14, 20};
  config.decay_range = {6, 6, 6, 6};
  config.drop_path_rate = 0.5;
  return config;
}

RmtConfig rmt_nano() {
  RmtConfig config;
  config.embed_dims = {64, 96, 128, 160};
  config.depths = {2, 3, 3, 1};
  config.num_heads = {4, 3, 4, 5};
  config.projection_dim = 256;
  config.num_classes = 10;
  config.drop_path_rate = 0.05;
  config.in_channels = 1;
  return config;
}

RmtConfig with_masa(RmtConfig config, bool decomposed) {
  config.decomposed = std::vector<bool>(4, decomposed);
  return config;
}

RmtConfig with_retention(RmtConfig config) {
  config.mixer = vision::RmtMixer::retention;
  return config;
}

RmtConfig test_rmt() {
  RmtConfig config;
  config.embed_dims = {16, 32, 32, 48};
  config.depths = {1, 2, 2, 1};
  config.num_heads = {2, 2, 4, 3};
  config.projection_dim = 96;
  config.num_classes = 10;
  return config;
}

RmtConfig test_rmt_full() {
  RmtConfig config = with_masa(test_rmt(), /*decomposed=*/false);
  config.depths = {1, 1, 1, 1};
  return config;
}

RmtConfig test_rmt_scale() {
  RmtConfig config;
  config.embed_dims = {16, 24, 32, 48};
  config.depths = {2, 1, 2, 1};
  config.num_heads = {2, 3, 2, 2};
  config.decay_range = {5, 5, 6, 6};
  config.mlp_ratios = {4, 4, 3, 3};
  config.decomposed = {true, true, true, false};
  config.layer_scale = {false, false, true, true};
  config.projection_dim = 40;
  config.num_classes = 7;
  config.drop_path_rate = 0.4;
  return config;
}

RmtConfig test_rmt_head(RmtHead head) {
  RmtConfig config;
  config.embed_dims = {16, 16, 32, 32};
  config.depths = {1, 1, 1, 1};
  config.num_heads = {2, 2, 2, 4};
  config.decomposed = {true, true, true, false};
  config.layer_scale = {false, false, true, true};
  config.projection_dim = 32;
  config.num_classes = 5;
  config.head = head;
  return config;
}

Preprocessing small_input() {
  Preprocessing result;
  result.resize_shorter = 32;
  result.crop = {32, 32};
  return result;
}

ModelRow imagenet_row(const char* name, RmtConfig config, double top1, bool ema, const char* description) {
  return {.name = name,
          .config = std::move(config),
          .preprocessing = {},
          .labels = "imagenet1k",
          .description = description,
          .published_top1 = top1,
          .published_ema = ema,
          .weights_note = kRmtWeights};
}

ModelRow experiment_row(const char* name, RmtConfig config, const char* description) {
  return {.name = name,
          .config = std::move(config),
          .preprocessing = {},
          .labels = "imagenet1k",
          .description = description,
          .published_top1 = std::nullopt,
          .weights_note = kExperimentWeights};
}

ModelRow test_row(const char* name, RmtConfig config, const char* description) {
  return {.name = name,
          .config = std::move(config),
          .preprocessing = small_input(),
          .labels = "",
          .description = description,
          .published_top1 = std::nullopt,
          .weights_note = kTestWeights};
}

std::vector<ModelRow> vision_rows() {
  return {
      imagenet_row("rmt_t", rmt_t(), 82.4, false, "RMT-T: 14 M parameters, full MaSA from stage 3"),
      imagenet_row("rmt_s", rmt_s(), 84.1, true, "RMT-S: 27 M parameters, full MaSA in stage 4 only"),
      imagenet_row("rmt_b", rmt_b(), 85.0, true, "RMT-B: 54 M parameters, layer scale in stages 3 and 4"),
      imagenet_row("rmt_l", rmt_l(), 85.5, true, "RMT-L: 95 M parameters, layer scale in stages 3 and 4"),
      {.name = "rmt_nano",
       .config = rmt_nano(),
       .preprocessing = detail::digit_input(),
       .labels = "digits",
       .description = "small RMT for 28x28 grey images, trained on handwritten digits",
       .published_top1 = std::nullopt,
       .weights_note = kNanoWeights},
      experiment_row("rmt_t_full", with_masa(rmt_t(), false), "RMT-T with full MaSA in every stage"),
      experiment_row("rmt_t_decomposed", with_masa(rmt_t(), true), "RMT-T with decomposed MaSA in every stage"),
      experiment_row("rmt_t_retention", with_retention(rmt_t()), "RMT-T with causal retention in place of MaSA"),
      test_row("test_rmt", test_rmt(), "tiny RMT, two decomposed and two full stages"),
      test_row("test_rmt_full", test_rmt_full(), "tiny RMT, full MaSA everywhere"),
      test_row("test_rmt_retention", with_retention(test_rmt()), "tiny RMT with causal retention in place of MaSA"),
      test_row("test_rmt_scale", test_rmt_scale(), "tiny RMT with layer scale"),
      test_row("test_rmt_token_label", test_rmt_head(RmtHead::token_label), "tiny RMT with the token-label head"),
      test_row("test_rmt_backbone", test_rmt_head(RmtHead::none), "tiny RMT without head, four normalised maps"),
  };
}

const std::string kRetnetWeights =
    "none are published by its authors; weights of other sources: retentive convert FOLDER FILE.safetensors";

RetnetConfig retnet(int64_t dim, int64_t value_dim, int64_t layers, int64_t heads) {
  RetnetConfig config;
  config.dim = dim;
  config.value_dim = config.ffn_dim = value_dim;
  config.num_layers = layers;
  config.num_heads = heads;
  config.scale_embedding = true;
  return config;
}

// As many parameters as the RetNet of these numbers: attention has no gate and narrower values.
RetnetConfig transformer(int64_t dim, int64_t ffn_dim, int64_t layers, int64_t heads) {
  RetnetConfig config = retnet(dim, dim, layers, heads);
  config.mixer = MixerKind::attention;
  config.ffn_dim = ffn_dim;
  return config;
}

RetnetConfig nano(RetnetConfig config) {
  config.vocab_size = 1024;
  config.tie_embeddings = true;
  config.dropout = 0.05;
  config.chunk_size = 128;
  return config;
}

RetnetConfig test_retnet() {
  RetnetConfig config = retnet(32, 64, 3, 4);
  config.vocab_size = 97;
  config.chunk_size = 16;
  return config;
}

RetnetConfig test_retnet_fla() {
  RetnetConfig config = test_retnet();
  config.dialect = RetnetDialect::fla;
  config.scale_embedding = false;
  config.num_heads = 2;
  return config;
}

RetnetConfig test_retnet_deepnorm() {
  RetnetConfig config = test_retnet();
  config.pre_norm = false;
  config.deepnorm = true;
  config.activation = RetnetActivation::gelu;
  config.layernorm_embedding = true;
  config.tie_embeddings = true;
  config.decay = DecaySchedule::log_linspace;
  return config;
}

RetnetConfig test_transformer() {
  RetnetConfig config = test_retnet();
  config.mixer = MixerKind::attention;
  return config;
}

ModelRow language_row(const char* name, RetnetConfig config, const char* description, const std::string& weights) {
  return {.name = name,
          .config = std::move(config),
          .preprocessing = {},
          .labels = "",
          .description = description,
          .published_top1 = std::nullopt,
          .weights_note = weights};
}

std::vector<ModelRow> language_rows() {
  return {
      language_row("retnet_base", retnet(512, 864, 6, 2), "RetNet base: 71 M parameters", kRetnetWeights),
      language_row("retnet_medium", retnet(1024, 1728, 16, 4), "RetNet medium: 306 M parameters", kRetnetWeights),
      language_row("retnet_xl", retnet(2048, 3456, 24, 8), "RetNet XL: 1.4 G parameters", kRetnetWeights),
      language_row("retnet_3b", retnet(2560, 4280, 32, 10), "RetNet 3B: 2.8 G parameters", kRetnetWeights),
      language_row("retnet_7b", retnet(4096, 6912, 32, 16), "RetNet 7B: 6.9 G parameters", kRetnetWeights),
      language_row("retnet_13b", retnet(5120, 8560, 40, 20), "RetNet 13B: 13 G parameters", kRetnetWeights),
      language_row("retnet_65b", retnet(8192, 13824, 64, 32), "RetNet 65B: 53 G parameters", kRetnetWeights),
      language_row("retnet_nano", nano(retnet(256, 384, 5, 4)),
                   "small RetNet of 1,024 tokens, trained on Shakespeare's plays",
                   "ships with this repository: the model that generate uses without flags"),
      language_row("transformer_medium", transformer(1024, 2768, 16, 4),
                   "softmax attention in RetNet medium's place, 306 M parameters", kTestWeights),
      language_row("transformer_nano", nano(transformer(256, 600, 5, 4)),
                   "softmax attention in retnet_nano's place, as many parameters", kExperimentWeights),
      language_row("test_retnet", test_retnet(), "tiny RetNet", kTestWeights),
      language_row("test_retnet_fla", test_retnet_fla(), "tiny RetNet of the fla dialect", kTestWeights),
      language_row("test_retnet_deepnorm", test_retnet_deepnorm(), "tiny post-norm RetNet, tied, log-spaced decay",
                   kTestWeights),
      language_row("test_transformer", test_transformer(), "tiny model with softmax attention", kTestWeights),
  };
}

}  // namespace

Preprocessing detail::digit_input() {
  Preprocessing result;
  result.resize_shorter = 28;
  result.crop = {28, 28};
  result.interpolation = vision::Interpolation::bilinear;
  result.mean = {0.1307};
  result.std = {0.3081};
  return result;
}

std::span<const ModelRow> model_rows() {
  static const std::vector<ModelRow> rows = [] {
    auto all = vision_rows();
    const auto append = [&all](const std::vector<ModelRow>& more) { all.insert(all.end(), more.begin(), more.end()); };
    append(detail::vir_rows());
    append(detail::detector_rows(all));
    append(language_rows());
    return all;
  }();
  return rows;
}

}  // namespace retentive::models
