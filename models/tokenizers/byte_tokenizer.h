#pragma once

#include <models/tokenizers/tokenizer.h>

namespace retentive::models {

/// Every byte is a token, with the byte as id; no special tokens. Encodes any bytes without loss.
class RETENTIVE_API ByteTokenizer final : public Tokenizer {
 public:
  std::string kind() const override;
  std::vector<std::int64_t> encode(std::string_view text, const EncodeOptions& options = {}) const override;
  std::string decode(std::span<const std::int64_t> ids, bool skip_special_tokens = true) const override;
  std::int64_t vocab_size() const override;
  /// "<0x41>" for 65.
  std::string id_to_token(std::int64_t id) const override;
  std::optional<std::int64_t> token_to_id(std::string_view token) const override;
  std::string token_text(std::int64_t id) const override;
  std::optional<std::int64_t> bos_id() const override;
  std::optional<std::int64_t> eos_id() const override;
  std::string serialize() const override;
  void save(const std::filesystem::path& path) const override;
};

}  // namespace retentive::models
