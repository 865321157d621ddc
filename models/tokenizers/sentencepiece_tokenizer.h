#pragma once

#include <models/tokenizers/tokenizer.h>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace retentive::models {

/// A SentencePiece model (unigram, BPE, word or char), run by the SentencePiece library.
class RETENTIVE_API SentencePieceTokenizer final : public Tokenizer {
 public:
  /// Reads the bytes of a .model file; `name` stands for it in messages. Throws CheckpointError.
  static std::unique_ptr<SentencePieceTokenizer> from_model(std::string model, const std::string& name);
  ~SentencePieceTokenizer() override;

  std::string kind() const override;
  std::vector<std::int64_t> encode(std::string_view text, const EncodeOptions& options = {}) const override;
  /// Control tokens have no text, whether they are to be skipped or not.
  std::string decode(std::span<const std::int64_t> ids, bool skip_special_tokens = true) const override;
  std::int64_t vocab_size() const override;
  std::string id_to_token(std::int64_t id) const override;
  std::optional<std::int64_t> token_to_id(std::string_view token) const override;
  std::string token_text(std::int64_t id) const override;
  std::optional<std::int64_t> bos_id() const override;
  std::optional<std::int64_t> eos_id() const override;
  std::string serialize() const override;
  void save(const std::filesystem::path& path) const override;

 private:
  SentencePieceTokenizer(std::string model, std::unique_ptr<const sentencepiece::SentencePieceProcessor> processor);
  int checked(std::int64_t id) const;

  std::string model_;
  std::unique_ptr<const sentencepiece::SentencePieceProcessor> processor_;
};

}  // namespace retentive::models
