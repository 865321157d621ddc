#pragma once

#include <string>
#include <string_view>

namespace retentive::models::detail {

/// Checks what the SentencePiece library trusts in a model: names and scores of the pieces, and every step that the
/// normaliser's trie can take. Throws CheckpointError naming `name`.
void check_sentencepiece(std::string_view model, const std::string& name);

}  // namespace retentive::models::detail
