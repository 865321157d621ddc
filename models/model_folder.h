#pragma once

#include <filesystem>
#include <vector>

#include <models/checkpoint.h>
#include <retention/base/export.h>

namespace retentive::models {

/// Reads a folder as Hugging Face style libraries write it: `config.json`; the weights in `model.safetensors`,
/// `pytorch_model.bin`, or shards that `model.safetensors.index.json` or `pytorch_model.bin.index.json` list; and
/// `tokenizer.json` or `tokenizer.model` where there is one, which goes into the card, as do the tokens that end a
/// text: `eos_token_id` of `generation_config.json`, else of `config.json`, else `eos_token` of `tokenizer_config.json`
/// or `special_tokens_map.json`. Throws CheckpointError for missing or damaged files, ConfigError for the
/// configuration, Unsupported.
RETENTIVE_API Checkpoint read_model_folder(const std::filesystem::path& folder);

/// The files that reading a weights file or such a folder takes, as far as they are there; none for "".
RETENTIVE_API std::vector<std::filesystem::path> model_files(const std::filesystem::path& path);

}  // namespace retentive::models
