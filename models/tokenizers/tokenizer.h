#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <retention/base/export.h>

namespace retentive::models {

struct EncodeOptions {
  /// Add what the tokenizer puts around a text: the post-processor's tokens of a tokenizer.json, the beginning-of-text
  /// token of a SentencePiece model; nothing for bytes.
  bool add_special_tokens = false;
  /// Recognise special tokens such as <|endoftext|> that are written out in the text. Switch off for text of
  /// strangers. SentencePiece never recognises control tokens; bytes have none.
  bool match_special_tokens = true;
};

/// Text to ids and back. Immutable; one object may be used by several threads.
class RETENTIVE_API Tokenizer {
 public:
  virtual ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  /// "bytes", "sentencepiece" or "bpe".
  virtual std::string kind() const = 0;

  /// Ids in [0, vocab_size()). Malformed UTF-8 in `text` counts as U+FFFD, except for bytes.
  /// Throws DataError when a pattern of the tokenizer gives up on the text.
  virtual std::vector<std::int64_t> encode(std::string_view text, const EncodeOptions& options = {}) const = 0;

  /// Always valid UTF-8: bytes that form no character become U+FFFD. Throws InvalidArgument for an id without token.
  virtual std::string decode(std::span<const std::int64_t> ids, bool skip_special_tokens = true) const = 0;

  /// One more than the largest id: the number of rows that an embedding needs.
  virtual std::int64_t vocab_size() const = 0;

  /// How the vocabulary spells the token. Throws InvalidArgument for an id without token.
  virtual std::string id_to_token(std::int64_t id) const = 0;
  virtual std::optional<std::int64_t> token_to_id(std::string_view token) const = 0;

  /// The bytes that the token stands for within a text, perhaps a part of a character; empty for special tokens, which
  /// decode() skips. Throws InvalidArgument for an id without token.
  virtual std::string token_text(std::int64_t id) const = 0;

  /// The tokens that begin and end a text, where the tokenizer has such.
  virtual std::optional<std::int64_t> bos_id() const = 0;
  virtual std::optional<std::int64_t> eos_id() const = 0;

  /// The whole tokenizer as UTF-8 text that parse_tokenizer() reads back, small enough for a weights file's metadata:
  /// "bytes", the text of a tokenizer.json, or "sentencepiece:" and the model in base64.
  virtual std::string serialize() const = 0;

  /// Writes a file that load_tokenizer() and the library of the format read: tokenizer.json or tokenizer.model.
  /// Throws CheckpointError when the file cannot be written, Unsupported for bytes, which need no file.
  virtual void save(const std::filesystem::path& path) const = 0;

 protected:
  Tokenizer() = default;
};

/// Opens the word "bytes", a SentencePiece model or a tokenizer.json; files are told apart by content.
/// Throws CheckpointError for files that cannot be read or are malformed, Unsupported naming what a valid file asks
/// for and this library does not do.
RETENTIVE_API std::unique_ptr<Tokenizer> load_tokenizer(const std::string& path);

/// The inverse of Tokenizer::serialize(). `name` stands for the source in messages. Throws as load_tokenizer().
RETENTIVE_API std::unique_ptr<Tokenizer> parse_tokenizer(std::string_view text, const std::string& name);

}  // namespace retentive::models
