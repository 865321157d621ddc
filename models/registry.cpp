#include <models/registry.h>

#include <new>
#include <sstream>

#include <models/nearest.h>
#include <retention/base/error.h>
#include <vision/rmt.h>

namespace retentive::models {
namespace {

using vision::Preprocessing;
using vision::RmtConfig;
using vision::RmtHead;

const std::string kRmtWeights =
    "published by the RMT authors as .pth (links in the repository qhfan/RMT): retentive convert FILE.pth "
    "FILE.safetensors";
const std::string kNanoWeights = "ships with this repository: the model that classify uses without flags";
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
  RmtConfig config = test_rmt();
  config.depths = {1, 1, 1, 1};
  config.decomposed = {false, false, false, false};
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

Preprocessing digit_input() {
  Preprocessing result;
  result.resize_shorter = 28;
  result.crop = {28, 28};
  result.interpolation = vision::Interpolation::bilinear;
  result.mean = {0.1307};
  result.std = {0.3081};
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

ModelRow test_row(const char* name, RmtConfig config, const char* description) {
  return {.name = name,
          .config = std::move(config),
          .preprocessing = small_input(),
          .labels = "",
          .description = description,
          .published_top1 = std::nullopt,
          .weights_note = kTestWeights};
}

std::vector<ModelRow> make_rows() {
  return {
      imagenet_row("rmt_t", rmt_t(), 82.4, false, "RMT-T: 14 M parameters, full MaSA from stage 3"),
      imagenet_row("rmt_s", rmt_s(), 84.1, true, "RMT-S: 27 M parameters, full MaSA in stage 4 only"),
      imagenet_row("rmt_b", rmt_b(), 85.0, true, "RMT-B: 54 M parameters, layer scale in stages 3 and 4"),
      imagenet_row("rmt_l", rmt_l(), 85.5, true, "RMT-L: 95 M parameters, layer scale in stages 3 and 4"),
      {.name = "rmt_nano",
       .config = rmt_nano(),
       .preprocessing = digit_input(),
       .labels = "digits",
       .description = "small RMT for 28x28 grey images, trained on handwritten digits",
       .published_top1 = std::nullopt,
       .weights_note = kNanoWeights},
      test_row("test_rmt", test_rmt(), "tiny RMT, two decomposed and two full stages"),
      test_row("test_rmt_full", test_rmt_full(), "tiny RMT, full MaSA everywhere"),
      test_row("test_rmt_scale", test_rmt_scale(), "tiny RMT with layer scale"),
      test_row("test_rmt_token_label", test_rmt_head(RmtHead::token_label), "tiny RMT with the token-label head"),
      test_row("test_rmt_backbone", test_rmt_head(RmtHead::none), "tiny RMT without head, four normalised maps"),
  };
}

// Files bring their own configuration: without bounds a hostile one would build modules until memory ends.
void check_size(const RmtConfig& config) {
  constexpr int64_t kMostBlocks = 4096, kWidest = 1 << 17, kMostClasses = 1 << 24;
  const auto require = [](const char* what, double value, int64_t most) {
    if (value <= static_cast<double>(most)) return;
    std::ostringstream text;
    text << "[models] " << what << " is " << value << "; at most " << most << " is accepted; make it smaller";
    throw ConfigError(text.str());
  };
  double blocks = 0;
  for (std::size_t s = 0; s < config.depths.size(); ++s) {
    blocks += static_cast<double>(config.depths[s]);
    require("an entry of embed_dims", static_cast<double>(config.embed_dims[s]), kWidest);
    require("a feed-forward width", static_cast<double>(config.embed_dims[s]) * config.mlp_ratios[s], kWidest);
  }
  require("the number of blocks", blocks, kMostBlocks);
  require("projection_dim", static_cast<double>(config.projection_dim), kWidest);
  require("in_channels", static_cast<double>(config.in_channels), kWidest);
  require("num_classes", static_cast<double>(config.num_classes), kMostClasses);
}

struct Builder {
  std::shared_ptr<vision::BackboneImpl> operator()(const RmtConfig& config) const {
    check_size(config);
    return std::make_shared<vision::RmtImpl>(config);
  }
};

}  // namespace

std::span<const ModelRow> model_rows() {
  static const std::vector<ModelRow> rows = make_rows();
  return rows;
}

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const ModelRow& row : model_rows()) names.push_back(row.name);
  return names;
}

const ModelRow& find_model(std::string_view name) {
  for (const ModelRow& row : model_rows()) {
    if (row.name == name) return row;
  }
  throw ConfigError("[models] there is no model \"" + std::string(name) + "\"; did you mean \"" +
                    nearest_name(name, model_names()) + "\"? `retentive models` lists all names");
}

std::shared_ptr<vision::BackboneImpl> build_uninitialized(const ModelConfig& config) {
  validate(config);
  const auto too_large = [&config](const std::string& reason) {
    return ConfigError("[models] this configuration cannot be built: " + reason +
                       "; make it smaller: " + model_config_json(config));
  };
  try {
    return std::visit(Builder{}, config);
  } catch (const c10::Error& error) {
    throw too_large(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    throw too_large("not enough memory");
  }
}

std::shared_ptr<vision::BackboneImpl> build(const ModelConfig& config, uint64_t seed) {
  auto model = build_uninitialized(config);
  model->initialize(at::detail::createCPUGenerator(seed));
  return model;
}

}  // namespace retentive::models
