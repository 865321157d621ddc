#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <models/tokenizers/detail/fields_json.h>
#include <models/tokenizers/detail/piece.h>

namespace retentive::models::detail {

/// The steps of a tokenizer.json, each read from its JSON object; null JSON gives an empty function. All throw
/// CheckpointError for malformed JSON and Unsupported for types and fields that are not implemented.
using Normalizer = std::function<void(Piece&)>;
using PreTokenizer = std::function<void(Pieces&)>;
using Decoder = std::function<void(std::vector<std::string>&)>;

Normalizer read_normalizer(const Json& json, const std::string& where);
PreTokenizer read_pre_tokenizer(const Json& json, const std::string& where);
Decoder read_decoder(const Json& json, const std::string& where);

/// What the post-processor puts around a text: ids, and nullopt where the text's own ids go.
struct Template {
  std::vector<std::optional<std::int64_t>> items = {std::nullopt};
  std::optional<std::int64_t> between = std::nullopt;  ///< the one id that it puts between two texts
};
Template read_post_processor(const Json& json, const std::string& where);

/// The members of a Sequence under `key`; throws CheckpointError when sequences are nested more than 16 deep.
const Json& sequence_members(Fields& fields, std::string_view key);

}  // namespace retentive::models::detail
