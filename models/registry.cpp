#include <models/registry.h>

#include <new>
#include <sstream>

#include <models/mask_rcnn.h>
#include <models/nearest.h>
#include <models/retinanet.h>
#include <models/state_dict.h>
#include <retention/base/error.h>
#include <vision/rmt.h>
#include <vision/vir.h>

namespace retentive::models {
namespace {

using vision::MaskRcnnConfig;
using vision::RetinanetConfig;
using vision::RmtConfig;
using vision::VirConfig;

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

struct ParameterCounter {
  double operator()(const RmtConfig& config) const {
    return static_cast<double>(count_parameters(vision::RmtImpl(config)));
  }

  // In double: a hostile file's sizes overflow integers.
  double operator()(const VirConfig& c) const {
    const auto dim = static_cast<double>(c.dim), hidden = static_cast<double>(c.mlp_dim());
    const auto patch = static_cast<double>(c.patch_size), classes = static_cast<double>(c.num_classes);
    const auto [rows, columns] = c.grid();
    const double stem = dim * (static_cast<double>(c.in_channels) * patch * patch + 1);
    const double positions = dim * (static_cast<double>(rows) * static_cast<double>(columns) + 1);
    const double norms = c.epilogue == vision::VirEpilogue::linear ? 4 * dim : 6 * dim;
    const double scales = c.layer_scale_init ? 2 * dim : 0;
    const double block = 4 * dim * (dim + 1) + 2 * dim * hidden + hidden + dim + norms + scales;
    return stem + positions + static_cast<double>(c.depth) * block + 2 * dim + classes * (dim + 1);
  }

  double operator()(const RetinanetConfig& config) const {
    return static_cast<double>(count_parameters(RetinanetImpl(config)));
  }

  double operator()(const MaskRcnnConfig& config) const {
    return static_cast<double>(count_parameters(MaskRcnnImpl(config)));
  }

  double operator()(const RetnetConfig& c) const {
    const auto dim = static_cast<double>(c.dim), value = static_cast<double>(c.value_dim);
    const bool gated = c.mixer == MixerKind::retention;
    const double mixer = 2 * dim * dim + (gated ? 3 : 2) * dim * value;
    const double head_norm = gated && c.dialect == RetnetDialect::fla ? static_cast<double>(c.value_head_dim()) : 0;
    const double block = mixer + head_norm + 3 * dim * static_cast<double>(c.ffn_dim) + 2 * dim;
    const double tables = (c.tie_embeddings ? 1 : 2) * static_cast<double>(c.vocab_size) * dim;
    const double norms = (c.layernorm_embedding ? dim : 0) + (c.pre_norm ? dim : 0);
    return tables + static_cast<double>(c.num_layers) * block + norms;
  }
};

// As above; a hundred times the largest ViT in use.
void check_size(const VirConfig& config) {
  constexpr double kMost = 2e11;
  const double parameters = ParameterCounter{}(config);
  if (parameters <= kMost) return;
  std::ostringstream text;
  text << "[models] this ViR has " << parameters << " parameters; at most " << kMost
       << " are accepted; make it smaller";
  throw ConfigError(text.str());
}

void check_size(const RetnetConfig& config) {
  // Four times the largest published one: a hostile file must not build modules until memory ends.
  constexpr double kMost = 2e11;
  const double parameters = ParameterCounter{}(config);
  if (parameters <= kMost && config.num_layers <= 4096) return;
  std::ostringstream text;
  text << "[models] this RetNet has " << parameters << " parameters in " << config.num_layers << " layers; at most "
       << kMost << " in 4096 are accepted; make it smaller";
  throw ConfigError(text.str());
}

// As above; the pyramid and heads alone, whose backbone is checked by itself.
void check_detector_size(const vision::BackboneConfig& backbone, double parameters) {
  constexpr double kMost = 2e9;
  std::visit([](const auto& config) { check_size(config); }, backbone);
  if (parameters <= kMost) return;
  std::ostringstream text;
  text << "[models] pyramid and heads of this detector have about " << parameters << " parameters; at most " << kMost
       << " are accepted; make it smaller";
  throw ConfigError(text.str());
}

void check_size(const RetinanetConfig& config) {
  const auto channels = static_cast<double>(config.fpn_channels), convs = static_cast<double>(config.head_convs);
  const double anchors =
      static_cast<double>(config.scales_per_octave) * static_cast<double>(config.anchor_ratios.size());
  const double outputs = anchors * (static_cast<double>(config.num_classes) + 4);
  check_detector_size(config.backbone, 9 * channels * (channels * (2 * convs + 5) + outputs));
}

void check_size(const MaskRcnnConfig& config) {
  const auto channels = static_cast<double>(config.fpn_channels), classes = static_cast<double>(config.num_classes);
  const auto width = static_cast<double>(config.fc_dim), mask = static_cast<double>(config.mask_channels);
  const auto pooled = channels * static_cast<double>(config.box_pool) * static_cast<double>(config.box_pool);
  const double box_head = width * (pooled + width + 5 * classes);
  const double mask_head = mask * (9 * channels + (9 * static_cast<double>(config.mask_convs) + 4) * mask + classes);
  check_detector_size(config.backbone, 9 * channels * channels * 6 + box_head + (config.masks ? mask_head : 0));
}

struct Builder {
  std::shared_ptr<torch::nn::Module> operator()(const RmtConfig& config) const {
    check_size(config);
    return std::make_shared<vision::RmtImpl>(config);
  }
  std::shared_ptr<torch::nn::Module> operator()(const VirConfig& config) const {
    check_size(config);
    return std::make_shared<vision::VirImpl>(config);
  }
  std::shared_ptr<torch::nn::Module> operator()(const RetnetConfig& config) const {
    check_size(config);
    return std::make_shared<RetnetImpl>(config);
  }
  std::shared_ptr<torch::nn::Module> operator()(const RetinanetConfig& config) const {
    check_size(config);
    return std::make_shared<RetinanetImpl>(config);
  }
  std::shared_ptr<torch::nn::Module> operator()(const MaskRcnnConfig& config) const {
    check_size(config);
    return std::make_shared<MaskRcnnImpl>(config);
  }
};

template <class Kind>
std::shared_ptr<Kind> as_kind(const std::shared_ptr<torch::nn::Module>& model, const std::string& where,
                              const std::string& what) {
  if (auto kind = std::dynamic_pointer_cast<Kind>(model)) return kind;
  throw ConfigError("[" + where + "] is not a " + what + "; `retentive models` says what each model is");
}

}  // namespace

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

std::shared_ptr<torch::nn::Module> build_uninitialized(const ModelConfig& config) {
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

std::shared_ptr<torch::nn::Module> build(const ModelConfig& config, uint64_t seed) {
  auto model = build_uninitialized(config);
  const auto generator = at::detail::createCPUGenerator(seed);
  if (auto* backbone = dynamic_cast<vision::BackboneImpl*>(model.get())) backbone->initialize(generator);
  if (auto* detector = dynamic_cast<vision::DetectorImpl*>(model.get())) detector->initialize(generator);
  if (auto* language = dynamic_cast<RetnetImpl*>(model.get())) language->initialize(generator);
  return model;
}

std::shared_ptr<vision::BackboneImpl> as_backbone(const std::shared_ptr<torch::nn::Module>& model,
                                                  const std::string& where) {
  return as_kind<vision::BackboneImpl>(model, where, "vision backbone");
}

std::shared_ptr<vision::DetectorImpl> as_detector(const std::shared_ptr<torch::nn::Module>& model,
                                                  const std::string& where) {
  return as_kind<vision::DetectorImpl>(model, where, "detector");
}

std::shared_ptr<RetnetImpl> as_language_model(const std::shared_ptr<torch::nn::Module>& model,
                                              const std::string& where) {
  return as_kind<RetnetImpl>(model, where, "language model");
}

std::shared_ptr<vision::BackboneImpl> build_backbone(const ModelConfig& config, uint64_t seed) {
  return as_backbone(build(config, seed), "models");
}

int64_t count_parameters(const ModelConfig& config) {
  validate(config);
  return static_cast<int64_t>(std::visit(ParameterCounter{}, config));
}

}  // namespace retentive::models
