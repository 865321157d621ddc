#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <models/config.h>
#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::models {

/// What a weights file says about itself, stored in the metadata of a safetensors file.
struct ModelCard {
  std::optional<ModelConfig> config = std::nullopt;  ///< architecture; absent in files of unknown origin
  std::optional<vision::Preprocessing> preprocessing = std::nullopt;  ///< how an image becomes the input
  std::vector<std::string> labels = {};                               ///< class names by index; may be empty
  std::string tokenizer = {};         ///< of a language model, as Tokenizer::serialize() writes it
  std::vector<int64_t> eos_ids = {};  ///< of a language model: tokens that end a text; empty = the tokenizer's
  std::string name = {};              ///< registry name or free text
  std::string license = {};
  std::string source = {};         ///< file or training run the weights come from
  std::string source_sha256 = {};  ///< lower-case hexadecimal
  std::string notes = {};          ///< free text: score, command, seed
};

/// The metadata entries of a card: `retentive.config`, `retentive.preprocessing`, `retentive.labels`,
/// `retentive.eos_ids` (JSON), `retentive.name`, ... (text; empty ones are left out), `retentive.version`, and `format`
/// = "pt".
RETENTIVE_API std::map<std::string, std::string> card_metadata(const ModelCard& card);

/// The inverse; foreign entries are ignored. `where` names the file. Throws ConfigError for damaged entries.
RETENTIVE_API ModelCard parse_card(const std::map<std::string, std::string>& metadata, const std::string& where);

}  // namespace retentive::models
