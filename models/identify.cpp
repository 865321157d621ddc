#include <algorithm>
#include <map>
#include <string_view>

#include <models/detail/rounded_buffers.h>
#include <models/upstream_keys.h>
#include <models/vit_keys.h>
#include <retention/base/error.h>
#include <vision/masa.h>

namespace retentive::models {
namespace {

using vision::RmtConfig;
using vision::RmtHead;
using vision::VirConfig;

constexpr int64_t kStages = 4;

/// Looks names up once for all rows.
class Shapes {
 public:
  /// Of the tensors whose names begin with `prefix`, by the rest of their names.
  explicit Shapes(const NamedTensors& tensors, std::string_view prefix = "") {
    for (const auto& [name, tensor] : tensors) {
      if (name.starts_with(prefix)) index_.emplace(std::string_view(name).substr(prefix.size()), &tensor);
    }
  }

  bool has(const std::string& name) const { return index_.contains(name); }

  const torch::Tensor* find(const std::string& name) const {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : found->second;
  }

  /// Size of one dimension; -1 when there is no such tensor or dimension.
  int64_t size(const std::string& name, int64_t dim) const {
    const torch::Tensor* tensor = find(name);
    return tensor != nullptr && tensor->dim() > dim ? tensor->size(dim) : -1;
  }

 private:
  std::map<std::string_view, const torch::Tensor*> index_;
};

std::string stage_name(int64_t stage) { return "layers." + std::to_string(stage) + "."; }

int64_t count_blocks(const Shapes& shapes, int64_t stage) {
  int64_t blocks = 0;
  while (shapes.has(stage_name(stage) + "blocks." + std::to_string(blocks) + ".retention_layer_norm.weight")) ++blocks;
  return blocks;
}

// Difference of one number as `what is X in the file and Y in ROW`, or empty.
std::string difference(const std::string& what, int64_t file, int64_t row) {
  if (file == row) return {};
  const std::string held = file < 0 ? "absent" : std::to_string(file);
  return what + " is " + held + " in the file, not " + std::to_string(row);
}

std::string decay_difference(const Shapes& shapes, const RmtConfig& config, int64_t stage) {
  const std::string name = stage_name(stage) + "Relpos.decay";
  const auto s = static_cast<std::size_t>(stage);
  const torch::Tensor* stored = shapes.find(name);
  const vision::RelativePosition formula(config.embed_dims[s], config.num_heads[s], config.decay_init[s],
                                         config.decay_range[s]);
  constexpr double kTolerance = 1e-3;  // wide enough for values stored as f16
  const bool comparable = stored->is_floating_point() && stored->sizes() == formula->decay.sizes();
  const bool fits = comparable && (at::allclose(stored->to(torch::kFloat), formula->decay, kTolerance, 0) ||
                                   detail::is_rounded_formula(name, *stored, formula->decay));
  if (!fits) {
    return name + " has other values than decay_init and decay_range give";
  }
  return {};
}

std::string stage_difference(const Shapes& shapes, const RmtConfig& config, int64_t stage) {
  const auto s = static_cast<std::size_t>(stage);
  const std::string prefix = stage_name(stage), block = prefix + "blocks.0.";
  const int64_t width = config.embed_dims[s];
  const auto hidden = static_cast<int64_t>(static_cast<double>(width) * config.mlp_ratios[s]);
  for (const std::string& found :
       {difference("width of " + block + "retention_layer_norm", shapes.size(block + "retention_layer_norm.weight", 0),
                   width),
        difference("number of blocks of " + prefix.substr(0, prefix.size() - 1), count_blocks(shapes, stage),
                   config.depths[s]),
        difference("number of heads in " + prefix + "Relpos.decay", shapes.size(prefix + "Relpos.decay", 0),
                   config.num_heads[s]),
        difference("width of " + block + "ffn.fc1", shapes.size(block + "ffn.fc1.weight", 0), hidden),
        difference("presence of " + block + "gamma_1", shapes.has(block + "gamma_1"), config.layer_scale[s])}) {
    if (!found.empty()) return found;
  }
  return decay_difference(shapes, config, stage);
}

// The first thing in which the file is not this model; empty when it is. `passed` counts what agreed before it.
std::string model_difference(const Shapes& shapes, const RmtConfig& config, int64_t& passed) {
  passed = 0;
  const std::string stem = difference("input channels of patch_embed.proj.0",
                                      shapes.size("patch_embed.proj.0.weight", 1), config.in_channels);
  if (!stem.empty()) return stem;
  for (int64_t stage = 0; stage < kStages; ++stage) {
    ++passed;
    const std::string found = stage_difference(shapes, config, stage);
    if (!found.empty()) return found;
  }
  ++passed;
  if (config.head == RmtHead::none) return {};
  return difference("width of proj", shapes.size("proj.weight", 0), config.projection_dim);
}

RmtConfig with_head(RmtConfig config, const Shapes& shapes) {
  if (shapes.has("extra_norms.0.weight") && !shapes.has("proj.weight")) {
    config.head = RmtHead::none;
    return config;
  }
  const int64_t classes = shapes.size("head.weight", 0);
  if (classes < 0 && !shapes.has("proj.weight")) return config;
  config.num_classes = classes < 0 ? 0 : classes;
  const bool usable_aux = shapes.size("aux_head.weight", 0) == classes &&
                          shapes.size("aux_head.weight", 1) == config.embed_dims.back() && classes > 0;
  config.head = usable_aux ? RmtHead::token_label : RmtHead::classifier;
  return config;
}

int64_t count_layers(const Shapes& shapes) {
  int64_t layers = 0;
  while (shapes.has(stage_name(layers) + "retention_layer_norm.weight")) ++layers;
  return layers;
}

// The first thing in which the file is not this language model; empty when it is.
std::string model_difference(const Shapes& shapes, const RetnetConfig& config, int64_t& passed) {
  passed = 0;
  const std::string block = "layers.0.";
  const bool fla = config.dialect == RetnetDialect::fla, gated = config.mixer == MixerKind::retention;
  for (const std::string& found :
       {difference("width of embed_tokens", shapes.size("embed_tokens.weight", 1), config.dim),
        difference("number of layers", count_layers(shapes), config.num_layers),
        difference("width of " + block + "retention.v_proj", shapes.size(block + "retention.v_proj.weight", 0),
                   config.value_dim),
        difference("width of " + block + "ffn.fc1", shapes.size(block + "ffn.fc1.weight", 0), config.ffn_dim),
        difference("number of heads in retnet_rel_pos.decay", shapes.size("retnet_rel_pos.decay", 0), config.num_heads),
        difference("presence of " + block + "retention.g_proj", shapes.has(block + "retention.g_proj.weight"), gated),
        difference("presence of " + block + "retention.g_norm", shapes.has(block + "retention.g_norm"), fla && gated),
        difference("presence of layer_norm", shapes.has("layer_norm.weight"), config.pre_norm)}) {
    if (!found.empty()) return found;
    ++passed;
  }
  return {};
}

RetnetConfig with_head(RetnetConfig config, const Shapes& shapes) {
  if (const auto words = shapes.size("embed_tokens.weight", 0); words > 0) config.vocab_size = words;
  config.layernorm_embedding = shapes.has("layernorm_embedding.weight");
  config.tie_embeddings = !shapes.has("output_projection.weight");
  return config;
}

// The first thing in which the file is not this ViR or ViT; empty when it is.
std::string model_difference(const Shapes& shapes, const VirConfig& config, int64_t& passed) {
  passed = 0;
  const std::string block = "blocks.0.", mixer = config.mixer == MixerKind::retention ? "retention" : "attn";
  int64_t blocks = 0;
  while (shapes.has("blocks." + std::to_string(blocks) + ".norm1.weight")) ++blocks;
  for (const std::string& found :
       {difference("presence of " + block + mixer + ".qkv", shapes.has(block + mixer + ".qkv.weight"), true),
        difference("width of cls_token", shapes.size("cls_token", 2), config.dim),
        difference("number of blocks", blocks, config.depth),
        difference("patch side of patch_embed.proj", shapes.size("patch_embed.proj.weight", 2), config.patch_size),
        difference("input channels of patch_embed.proj", shapes.size("patch_embed.proj.weight", 1), config.in_channels),
        difference("width of " + block + "mlp.fc1", shapes.size(block + "mlp.fc1.weight", 0), config.mlp_dim())}) {
    if (!found.empty()) return found;
    ++passed;
  }
  return {};
}

// What a row leaves open: classes, pooling, layer scale, epilogue, and the square that a position table is made for.
VirConfig with_head(VirConfig config, const Shapes& shapes) {
  if (!shapes.has("pos_embed")) return config;
  config.num_classes = std::max<int64_t>(0, shapes.size("head.weight", 0));
  config.pool = shapes.has("fc_norm.weight") ? vision::VirPool::avg : vision::VirPool::token_last;
  if (!shapes.has("blocks.0.ls1.gamma")) config.layer_scale_init.reset();
  if (shapes.has("blocks.0.ls1.gamma") && !config.layer_scale_init) config.layer_scale_init = 1e-5;
  if (shapes.has("blocks.0.retention.ln.weight")) config.epilogue = vision::VirEpilogue::norm_gelu_linear;
  const auto positions = shapes.size("pos_embed", 1);
  const auto side = square_side(positions);
  if (side > 0 && positions != config.grid()[0] * config.grid()[1]) {
    config.image_size = {side * config.patch_size, side * config.patch_size};
  }
  return config;
}

constexpr std::string_view kBackbone = "backbone.";

bool is_detector(const Shapes& shapes) {
  return shapes.has("bbox_head.retina_cls.weight") || shapes.has("rpn_head.rpn_conv.weight");
}

ModelKind kind_of_file(const Shapes& shapes) {
  if (shapes.has("embed_tokens.weight")) return ModelKind::language;
  return is_detector(shapes) ? ModelKind::detector : ModelKind::backbone;
}

void refuse_cascade(const Shapes& shapes) {
  if (!shapes.has("roi_head.bbox_head.0.fc_cls.weight")) return;
  throw Unsupported(
      "[weights] these are weights of a Cascade R-CNN (roi_head.bbox_head.0, .1, ...), which is not "
      "supported; RetinaNet and Mask R-CNN are: take one of theirs");
}

// What the two detectors have in common: the kind of head, the pyramid, and the backbone.
std::string parts_difference(const Shapes& shapes, const NamedTensors& tensors, const vision::BackboneConfig& backbone,
                             const char* head, int64_t channels, int64_t& passed) {
  const Shapes inner(tensors, kBackbone);
  const bool plain = std::holds_alternative<VirConfig>(backbone);
  const std::string lateral = plain ? "neck.level0_reduce.weight" : "neck.lateral_convs.0.conv.weight";
  passed = 0;
  for (const std::string& found : {difference("presence of " + std::string(head), shapes.has(head), true),
                                   difference("width of " + lateral, shapes.size(lateral, 0), channels)}) {
    if (!found.empty()) return found;
    ++passed;
  }
  int64_t inside = 0;
  const auto found = std::visit([&](const auto& config) { return model_difference(inner, config, inside); }, backbone);
  passed += inside;
  return found;
}

std::string model_difference(const Shapes& shapes, const NamedTensors& tensors, const vision::RetinanetConfig& config,
                             int64_t& passed) {
  const auto parts =
      parts_difference(shapes, tensors, config.backbone, "bbox_head.retina_cls.weight", config.fpn_channels, passed);
  if (!parts.empty()) return parts;
  int64_t convs = 0;
  while (shapes.has("bbox_head.cls_convs." + std::to_string(convs) + ".conv.weight")) ++convs;
  return difference("number of bbox_head.cls_convs", convs, config.head_convs);
}

std::string model_difference(const Shapes& shapes, const NamedTensors& tensors, const vision::MaskRcnnConfig& config,
                             int64_t& passed) {
  const auto parts =
      parts_difference(shapes, tensors, config.backbone, "rpn_head.rpn_conv.weight", config.fpn_channels, passed);
  if (!parts.empty()) return parts;
  const std::string fc = "roi_head.bbox_head.shared_fcs.0.weight";
  return difference("width of " + fc, shapes.size(fc, 0), config.fc_dim);
}

template <class Config>
std::string model_difference(const Shapes& shapes, const NamedTensors&, const Config& config, int64_t& passed) {
  return model_difference(shapes, config, passed);
}

vision::RetinanetConfig with_head(vision::RetinanetConfig config, const Shapes& shapes) {
  const auto outputs = shapes.size("bbox_head.retina_cls.weight", 0);
  const auto anchors = config.scales_per_octave * static_cast<int64_t>(config.anchor_ratios.size());
  if (outputs >= anchors) config.num_classes = outputs / anchors;
  return config;
}

vision::MaskRcnnConfig with_head(vision::MaskRcnnConfig config, const Shapes& shapes) {
  if (const auto classes = shapes.size("roi_head.bbox_head.fc_cls.weight", 0); classes > 1) {
    config.num_classes = classes - 1;
    config.masks = shapes.has("roi_head.mask_head.conv_logits.weight");
  }
  return config;
}

}  // namespace

ModelConfig adapt_head(const ModelConfig& config, const NamedTensors& tensors) {
  const Shapes shapes(tensors);
  return std::visit([&shapes](const auto& fields) -> ModelConfig { return with_head(fields, shapes); }, config);
}

Identification identify(const NamedTensors& tensors, const ModelRow* only) {
  const Shapes shapes(tensors);
  refuse_cascade(shapes);
  Identification result;
  int64_t most_passed = -1;
  for (const ModelRow& row : model_rows()) {
    if (only != nullptr ? &row != only : row.is_test()) continue;
    if (row.kind() != kind_of_file(shapes)) continue;
    const ModelConfig config = adapt_head(row.config, tensors);
    int64_t passed = 0;
    const std::string found =
        std::visit([&](const auto& fields) { return model_difference(shapes, tensors, fields, passed); }, config);
    if (found.empty()) return {.row = &row, .config = config, .reason = {}};
    if (passed > most_passed) {
      most_passed = passed;
      result.reason = "not " + row.name + ": " + found;
    }
  }
  return result;
}

}  // namespace retentive::models
