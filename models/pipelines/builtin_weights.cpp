#include <models/pipelines/builtin_weights.h>

#include <algorithm>
#include <array>

#include <retention/base/error.h>

// Files of assets/models and the models they are of; CMakeLists.txt names the same files.
#define RETENTIVE_FOR_EACH_BUILTIN(f)                                                               \
  f(rmt_nano, rmt_nano_digits) f(retnet_nano, retnet_nano_shakespeare) f(vir_nano, vir_nano_digits) \
      f(mask_rcnn_rmt_nano, mask_rcnn_rmt_nano_digits)

#define RETENTIVE_DECLARE(model, file)                                                     \
  extern const std::byte retentive_##file##_begin[] __attribute__((visibility("hidden"))); \
  extern const std::byte retentive_##file##_end[] __attribute__((visibility("hidden")));
extern "C" {
RETENTIVE_FOR_EACH_BUILTIN(RETENTIVE_DECLARE)
}
#undef RETENTIVE_DECLARE

namespace retentive::models {

std::span<const BuiltinWeights> builtin_weights() {
#define RETENTIVE_ROW(model, file) \
  BuiltinWeights{#model, "built-in " #file ".safetensors", {retentive_##file##_begin, retentive_##file##_end}},
  static const std::array rows = {RETENTIVE_FOR_EACH_BUILTIN(RETENTIVE_ROW)};
#undef RETENTIVE_ROW
  return rows;
}

const BuiltinWeights* find_builtin_weights(std::string_view model) {
  const auto rows = builtin_weights();
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.model == model; });
  return found == rows.end() ? nullptr : &*found;
}

Checkpoint read_builtin_checkpoint(std::string_view model, const std::string& where) {
  if (const auto* weights = find_builtin_weights(model)) return read_checkpoint(weights->bytes, weights->origin);
  std::string names;
  for (const auto& row : builtin_weights()) names += (names.empty() ? "" : ", ") + std::string(row.model);
  throw ConfigError("[" + where + "] no weights of \"" + std::string(model) + "\" are built in, only those of " +
                    names + "; give --weights FILE");
}

}  // namespace retentive::models
