#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <models/tokenizers/tokenizer.h>

namespace retentive::models::detail {

/// The tokens that end a text, as the first of these files in `folder` says that says anything: `eos_token_id`, a
/// number or a list, of generation_config.json and config.json; `eos_token`, a name in `tokenizer` (which may be null),
/// of tokenizer_config.json and special_tokens_map.json. Empty when none does. What the vocabulary does not have
/// becomes a warning. Throws ConfigError for values of another kind.
std::vector<int64_t> end_of_text_ids(const std::filesystem::path& folder, const Tokenizer* tokenizer,
                                     int64_t vocab_size, std::vector<std::string>& warnings);

}  // namespace retentive::models::detail
