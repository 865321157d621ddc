#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <models/tokenizers/tokenizer.h>

namespace retentive::models {

/// Decodes ids as they are generated. The pieces put together are what Tokenizer::decode() makes of all ids, as long
/// as byte tokens form whole characters; every piece is valid UTF-8.
class RETENTIVE_API StreamDecoder {
 public:
  /// `tokenizer` must outlive the object.
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens = true);

  /// The text that is complete now and was not before; empty while a character lacks bytes.
  /// Throws InvalidArgument for an id without token.
  std::string push(std::int64_t id);

  /// The rest of the text; bytes that form no character become U+FFFD. Afterwards a new text begins.
  std::string flush();

 private:
  std::string release(const std::string& text, std::size_t end);
  void forget();

  const Tokenizer* tokenizer_;
  bool skip_special_tokens_;
  std::vector<std::int64_t> ids_;  ///< the newest ids, enough to decode more as in the whole text
  std::size_t given_ = 0;          ///< bytes of the text of `ids_` that push() returned
};

}  // namespace retentive::models
