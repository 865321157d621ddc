#include <models/vit_keys.h>

#include <algorithm>
#include <cmath>

#include <retention/base/error.h>
#include <vision/grid_positions.h>

namespace retentive::models {
namespace {

using torch::Tensor;

constexpr const char* kPositions = "pos_embed";
constexpr const char* kClassToken = "cls_token";

Tensor* find(NamedTensors& tensors, const std::string& name) {
  const auto found =
      std::find_if(tensors.begin(), tensors.end(), [&](const auto& entry) { return entry.name == name; });
  return found == tensors.end() ? nullptr : &found->tensor;
}

void replace(std::string& name, const std::string& part, const std::string& by) {
  if (const auto at = name.find(part); at != std::string::npos) name.replace(at, part.size(), by);
}

// Resamples the position table of another square than the model's.
void fit_positions(const vision::VirConfig& config, NamedTensors& tensors, std::vector<std::string>& notes) {
  auto* table = find(tensors, kPositions);
  if (table == nullptr || table->dim() != 3 || table->size(0) != 1) return;
  const auto grid = config.grid();
  const auto side = square_side(table->size(1));
  if (side == 0 || table->size(1) == grid[0] * grid[1]) return;
  notes.push_back("pos_embed is resampled from " + std::to_string(side) + "x" + std::to_string(side) + " to " +
                  std::to_string(grid[0]) + "x" + std::to_string(grid[1]) + " patches");
  *table = vision::GridPositions(table->to(at::kFloat), {side, side}, grid).rows(0, grid[0] * grid[1]);
}

// A ViT without layer scale is one with scales of 1.
void fill_scales(const vision::VirImpl& model, const LoadReport& report, std::vector<std::string>& notes) {
  const auto is_scale = [&](const std::string& name) {
    return name.ends_with(".gamma") &&
           std::find(report.missing.begin(), report.missing.end(), name) != report.missing.end();
  };
  int64_t filled = 0;
  for (auto& [name, tensor] : state_dict(model)) {
    if (!is_scale(name)) continue;
    tensor.fill_(1);
    ++filled;
  }
  if (filled > 0) notes.push_back(std::to_string(filled) + " layer scales become 1: the ViT has none");
}

}  // namespace

int64_t square_side(int64_t count) {
  const auto side = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(std::max<int64_t>(count, 0)))));
  return side * side == count ? side : 0;
}

bool is_vit(const NamedTensors& tensors) {
  return find_tensor(tensors, "blocks.0.attn.qkv.weight") != nullptr && find_tensor(tensors, kPositions) != nullptr;
}

void to_native_vit_keys(NamedTensors& tensors) {
  if (!is_vit(tensors)) return;
  auto *table = find(tensors, kPositions), *token = find(tensors, kClassToken);
  if (token == nullptr || table->dim() != 3 || token->dim() != 3 || square_side(table->size(1) - 1) == 0) return;
  if (table->size(0) != 1 || token->sizes() != at::IntArrayRef({1, 1, table->size(2)})) return;
  *token = *token + table->narrow(1, 0, 1);
  *table = table->narrow(1, 1, table->size(1) - 1).contiguous();
}

std::vector<std::string> start_from_vit(vision::VirImpl& model, const Checkpoint& checkpoint) {
  if (model.config().mixer != MixerKind::retention) {
    throw InvalidArgument("[vir] the model's mixer is attention; load a ViT's weights with load_state()");
  }
  const torch::NoGradGuard no_grad;
  std::vector<std::string> notes;
  Checkpoint renamed = checkpoint;
  for (auto& [name, tensor] : renamed.tensors) {
    replace(name, ".attn.qkv.", ".retention.qkv.");
    replace(name, ".attn.proj.", ".retention.out_proj.");
  }
  fit_positions(model.config(), renamed.tensors, notes);
  const auto report = match_state(model, renamed);
  const auto in_block = [](const std::string& name) {
    return name.starts_with("blocks.") && name.ends_with(".weight");
  };
  if (std::none_of(report.loaded.begin(), report.loaded.end(), in_block)) {
    throw CheckpointError("[" + checkpoint.path + "] is no ViT that fits the model: none of its blocks do; weights " +
                          "of a ViT of the same dim are accepted\n" + report.diff());
  }
  load_state(model, renamed, {.strict = false});
  fill_scales(model, report, notes);
  for (const auto& [name, own, file] : report.reshaped) {
    notes.push_back(name + " keeps its initial values: " + own + " in the model, " + file + " in the file");
  }
  for (const auto& name : report.missing) {
    if (!name.ends_with(".gamma")) notes.push_back(name + " keeps its initial values: the file has none");
  }
  for (const auto& name : report.unexpected) notes.push_back(name + " is left out: the model has no such tensor");
  return notes;
}

}  // namespace retentive::models
