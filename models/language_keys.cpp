#include <models/language_keys.h>

#include <array>
#include <map>
#include <utility>

#include <retention/base/error.h>
#include <retention/ops/position.h>

namespace retentive::models {
namespace {

using Rename = std::pair<std::string_view, std::string_view>;

constexpr std::array<std::pair<std::string_view, LanguageLayout>, 4> kTables = {
    {{"decoder.embed_tokens.weight", LanguageLayout::fairseq},
     {"model.embed_tokens.weight", LanguageLayout::huggingface},
     {"model.embeddings.weight", LanguageLayout::fla},
     {"embed_tokens.weight", LanguageLayout::torchscale}}};

// Of what follows "layers.<i>." in fla's names.
constexpr std::array<Rename, 12> kFlaBlock = {{{"attn.q_proj.weight", "retention.q_proj.weight"},
                                               {"attn.k_proj.weight", "retention.k_proj.weight"},
                                               {"attn.v_proj.weight", "retention.v_proj.weight"},
                                               {"attn.g_proj.weight", "retention.g_proj.weight"},
                                               {"attn.o_proj.weight", "retention.out_proj.weight"},
                                               {"attn.g_norm_swish_gate.weight", "retention.g_norm"},
                                               {"attn.g_norm.weight", "retention.g_norm"},
                                               {"attn_norm.weight", "retention_layer_norm.weight"},
                                               {"mlp_norm.weight", "final_layer_norm.weight"},
                                               {"mlp.gate_proj.weight", "ffn.fc1.weight"},
                                               {"mlp.up_proj.weight", "ffn.gate.weight"},
                                               {"mlp.down_proj.weight", "ffn.fc2.weight"}}};
constexpr std::array<Rename, 3> kFlaTop = {{{"embeddings.weight", "embed_tokens.weight"},
                                            {"norm.weight", "layer_norm.weight"},
                                            {"lm_head.weight", "output_projection.weight"}}};

template <size_t N>
std::string_view look_up(const std::array<Rename, N>& table, std::string_view name) {
  for (const auto& [from, to] : table) {
    if (name == from) return to;
  }
  return {};
}

void strip(std::string& name, std::string_view prefix) {
  if (name.starts_with(prefix)) name.erase(0, prefix.size());
}

void rename_fla(std::string& name) {
  strip(name, "model.");
  if (const auto top = look_up(kFlaTop, name); !top.empty()) name = top;
  const auto dot = name.starts_with("layers.") ? name.find('.', 7) : std::string::npos;
  if (dot == std::string::npos) return;
  const auto block = look_up(kFlaBlock, std::string_view(name).substr(dot + 1));
  if (!block.empty()) name.replace(dot + 1, std::string::npos, block);
}

const torch::Tensor* matrix(const NamedTensors& tensors, const std::string& name) {
  const auto* tensor = find_tensor(tensors, name);
  return tensor != nullptr && tensor->dim() == 2 ? tensor : nullptr;
}

// Where there is no up_proj, gate_proj holds its rows after its own.
void split_old_mlp(NamedTensors& tensors, const std::string& where) {
  NamedTensors split;
  for (auto& [name, tensor] : tensors) {
    constexpr std::string_view kGate = "ffn.fc1.weight";
    const auto up = name.ends_with(kGate) ? name.substr(0, name.size() - kGate.size()) + "ffn.gate.weight" : name;
    if (up == name || find_tensor(tensors, up) != nullptr) {
      split.push_back({name, tensor});
      continue;
    }
    if (tensor.dim() != 2 || tensor.size(0) % 2 != 0) {
      throw CheckpointError("[" + where + "] has no " + up + ", and " + name +
                            " has no even number of rows to split; the file is not a RetNet of fla");
    }
    const auto half = tensor.size(0) / 2;
    split.push_back({name, tensor.narrow(0, 0, half)});
    split.push_back({up, tensor.narrow(0, half, half)});
  }
  tensors = std::move(split);
}

void add_fla_buffers(NamedTensors& tensors, const std::string& where) {
  if (find_tensor(tensors, "retnet_rel_pos.angle") != nullptr) return;
  const auto* norm = find_tensor(tensors, "layers.0.retention.g_norm");
  const auto* v = matrix(tensors, "layers.0.retention.v_proj.weight");
  const auto* q = matrix(tensors, "layers.0.retention.q_proj.weight");
  const int64_t width = norm != nullptr && norm->dim() == 1 ? norm->size(0) : 0;
  const int64_t heads = width > 0 && v != nullptr && v->size(0) % width == 0 ? v->size(0) / width : 0;
  if (heads == 0 || q == nullptr || q->size(0) % (2 * heads) != 0) {
    throw CheckpointError(
        "[" + where +
        "] looks like a RetNet of fla, but its first layer gives no number of heads (v_proj rows are a "
        "multiple of g_norm's, q_proj rows of twice the heads); it may use key sharing or another mixer");
  }
  tensors.push_back({"retnet_rel_pos.angle", rotary_angles_half_split(q->size(0) / heads)});
  tensors.push_back({"retnet_rel_pos.decay", log_gamma_retnet(heads)});
}

void refuse_other_kinds(const NamedTensors& tensors, const std::string& where) {
  for (const auto& [name, tensor] : tensors) {
    const bool experts = name.find(".moe_layer.") != std::string::npos;
    const bool multiway = name.find("_proj.A.") != std::string::npos || name.find("ffn.A.") != std::string::npos;
    if (!experts && !multiway) continue;
    throw Unsupported("[" + where + "] holds " + name + ": a RetNet " +
                      (experts ? "with experts (MoE)" : "of two copies (multiway)") +
                      "; models with one plain feed-forward a layer are supported");
  }
  if (find_tensor(tensors, "layers.0.retention.q_proj.bias") == nullptr) return;
  throw Unsupported(
      "[" + where +
      "] is a torchscale RetNet from before 28 September 2023 (its projections have biases); the later kind, "
      "without biases, is supported");
}

// The one table of a tied model is its embedding; an untied one then misses its head, and is refused.
void name_lone_table(NamedTensors& tensors) {
  if (find_tensor(tensors, "embed_tokens.weight") != nullptr) return;
  for (auto& [name, tensor] : tensors) {
    if (name == "output_projection.weight") name = "embed_tokens.weight";
  }
}

}  // namespace

LanguageLayout language_layout(const NamedTensors& tensors) {
  for (const auto& [name, layout] : kTables) {
    if (find_tensor(tensors, name) != nullptr) return layout;
  }
  // Tied models may be saved with the table under the name of the head alone.
  if (find_tensor(tensors, "lm_head.weight") == nullptr) return LanguageLayout::none;
  if (find_tensor(tensors, "model.layers.0.attn_norm.weight") != nullptr) return LanguageLayout::fla;
  const bool torch_names = find_tensor(tensors, "model.layers.0.retention_layer_norm.weight") != nullptr;
  return torch_names ? LanguageLayout::huggingface : LanguageLayout::none;
}

void to_native_keys(NamedTensors& tensors, const std::string& where) {
  const auto layout = language_layout(tensors);
  if (layout == LanguageLayout::none) return;
  for (auto& [name, tensor] : tensors) {
    if (layout == LanguageLayout::fairseq) strip(name, "decoder.");
    if (layout == LanguageLayout::huggingface) {
      strip(name, "model.");
      if (name == "lm_head.weight") name = "output_projection.weight";
    }
    if (layout == LanguageLayout::fla) rename_fla(name);
  }
  name_lone_table(tensors);
  std::erase_if(tensors, [](const NamedTensor& entry) { return entry.name == "version"; });
  refuse_other_kinds(tensors, where);
  if (layout == LanguageLayout::fla) {
    split_old_mlp(tensors, where);
    add_fla_buffers(tensors, where);
  }
}

}  // namespace retentive::models
