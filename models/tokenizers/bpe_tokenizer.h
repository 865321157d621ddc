#pragma once

#include <models/tokenizers/tokenizer.h>

namespace retentive::models {

/// A tokenizer.json of the tokenizers library with a BPE model: byte-level or with byte fallback, with the common
/// normalizers, pre-tokenizers, decoders and post-processors. Ids equal those of the library; what is not implemented
/// is refused by name when the file is read. docs/tokenizers.md lists both.
class RETENTIVE_API BpeTokenizer final : public Tokenizer {
 public:
  /// Reads the text of a tokenizer.json; `name` stands for it in messages.
  /// Throws CheckpointError for malformed JSON or contradictions, Unsupported naming the JSON path.
  static std::unique_ptr<BpeTokenizer> from_json(std::string text, const std::string& name);
  ~BpeTokenizer() override;

  std::string kind() const override;
  std::vector<std::int64_t> encode(std::string_view text, const EncodeOptions& options = {}) const override;
  std::string decode(std::span<const std::int64_t> ids, bool skip_special_tokens = true) const override;
  std::int64_t vocab_size() const override;
  std::string id_to_token(std::int64_t id) const override;
  std::optional<std::int64_t> token_to_id(std::string_view token) const override;
  std::string token_text(std::int64_t id) const override;
  /// What the post-processor puts first, or else a special token with a customary name such as <s>.
  std::optional<std::int64_t> bos_id() const override;
  /// What the post-processor puts last or between two texts, or else a special token with a customary name.
  std::optional<std::int64_t> eos_id() const override;
  std::string serialize() const override;
  void save(const std::filesystem::path& path) const override;

 private:
  struct Parts;

  BpeTokenizer(std::string text, std::unique_ptr<const Parts> parts);

  std::string text_;  ///< the file as it was read
  std::unique_ptr<const Parts> parts_;
};

}  // namespace retentive::models
