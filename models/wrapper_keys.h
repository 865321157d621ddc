#pragma once

#include <string>
#include <vector>

#include <models/state_dict.h>
#include <retention/base/export.h>

namespace retentive::models {

/// Takes off what wrappers put into names: `module.` (DataParallel, DeepSpeed), `_orig_mod.` (torch.compile),
/// `_forward_module.`, `_fsdp_wrapped_module.`, `_checkpoint_wrapped_module.` anywhere, and leading `model.` unless it
/// belongs to the layout of a language model; a warning counts them. The counter `n_averaged` is left out.
/// Throws CheckpointError when two different tensors get one name.
RETENTIVE_API void strip_wrappers(NamedTensors& tensors, const std::string& where, std::vector<std::string>& warnings);

/// Where one dict holds two sets of weights, the averaged ones under `ema.`, `model_ema.` or `ema_model.`, keeps the
/// wanted set, and says so in a warning. False when it has none of the wanted kind: then nothing is changed.
RETENTIVE_API bool keep_one_set(NamedTensors& tensors, bool averaged, std::vector<std::string>& warnings);

}  // namespace retentive::models
