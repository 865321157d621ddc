#include <models/training/class_rows.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>

namespace retentive::models {
namespace {

/// How the rows of an output are made up: `width` for each class, `extra` at the end, all of it once or, with anchors,
/// several times.
struct OutputRows {
  std::string_view module;
  int64_t width;
  int64_t extra;
};

constexpr OutputRows kOutputs[] = {{"head", 1, 0},   {"aux_head", 1, 0}, {"retina_cls", 1, 0},
                                   {"fc_cls", 1, 1}, {"fc_reg", 4, 0},   {"conv_logits", 1, 0}};

const OutputRows* find_output(std::string_view name) {
  name = name.substr(0, name.rfind('.'));
  const auto module = name.substr(name.rfind('.') + 1);
  const auto* found = std::find_if(std::begin(kOutputs), std::end(kOutputs),
                                   [&](const OutputRows& rows) { return rows.module == module; });
  return found == std::end(kOutputs) ? nullptr : found;
}

struct Classes {
  int64_t ours = 0;
  int64_t theirs = 0;
  std::map<int64_t, int64_t> theirs_of;  ///< our class -> theirs
};

/// Rows for our classes; nothing when the tensors do not have the rows of their classes.
std::optional<torch::Tensor> matched_rows(const torch::Tensor& own, const torch::Tensor& given, const OutputRows& rows,
                                          const Classes& classes) {
  const auto ours = classes.ours * rows.width, theirs = classes.theirs * rows.width;
  if (given.dim() != own.dim() || given.dim() == 0 || given.sizes().slice(1) != own.sizes().slice(1)) {
    return std::nullopt;
  }
  const auto repeats = (given.size(0) - rows.extra) / theirs;
  if (given.size(0) != repeats * theirs + rows.extra || own.size(0) != repeats * ours + rows.extra) return std::nullopt;
  auto result = own.detach().clone();
  const auto copy = [&](int64_t to, int64_t from, int64_t count) {
    result.narrow(0, to, count).copy_(given.narrow(0, from, count));
  };
  for (int64_t repeat = 0; repeat < repeats; ++repeat) {
    for (const auto& [our, their] : classes.theirs_of) {
      copy(repeat * ours + our * rows.width, repeat * theirs + their * rows.width, rows.width);
    }
  }
  if (rows.extra > 0) copy(own.size(0) - rows.extra, given.size(0) - rows.extra, rows.extra);
  return result;
}

}  // namespace

std::vector<std::string> match_class_rows(Checkpoint& checkpoint, const torch::nn::Module& model,
                                          const std::vector<std::string>& classes) {
  const auto& labels = checkpoint.card.labels;
  if (labels.empty() || labels == classes) return {};
  Classes matched{static_cast<int64_t>(classes.size()), static_cast<int64_t>(labels.size()), {}};
  for (int64_t i = 0; i < matched.ours; ++i) {
    const auto found = std::find(labels.begin(), labels.end(), classes[static_cast<size_t>(i)]);
    if (found != labels.end()) matched.theirs_of[i] = found - labels.begin();
  }
  const torch::NoGradGuard no_grad;
  const auto own = state_dict(model);
  bool any = false;
  for (auto& [name, tensor] : checkpoint.tensors) {
    const auto* rows = find_output(name);
    const auto* fresh = rows ? find_tensor(own, name) : nullptr;
    auto result = fresh ? matched_rows(*fresh, tensor, *rows, matched) : std::nullopt;
    if (!result) continue;
    tensor = *std::move(result);
    any = true;
  }
  if (!any) return {};
  return {"outputs of " + std::to_string(matched.theirs_of.size()) + " of " + std::to_string(matched.ours) +
          " classes taken from the file by name, the others left fresh"};
}

}  // namespace retentive::models
