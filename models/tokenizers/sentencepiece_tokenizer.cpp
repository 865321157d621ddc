#include <models/tokenizers/sentencepiece_tokenizer.h>

#include <sentencepiece_processor.h>

#include <models/tokenizers/detail/byte_level.h>
#include <models/tokenizers/detail/files.h>
#include <models/tokenizers/detail/sentencepiece_check.h>
#include <models/tokenizers/detail/utf8.h>
#include <retention/base/base64.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

void require(const sentencepiece::util::Status& status, const std::string& name) {
  if (status.ok()) return;
  throw CheckpointError("[tokenizer] " + name + " is no usable SentencePiece model: " + status.ToString() +
                        "; get the file again");
}

std::optional<std::int64_t> reserved(int id) { return id < 0 ? std::nullopt : std::optional<std::int64_t>(id); }

}  // namespace

SentencePieceTokenizer::SentencePieceTokenizer(std::string model,
                                               std::unique_ptr<const sentencepiece::SentencePieceProcessor> processor)
    : model_(std::move(model)), processor_(std::move(processor)) {}

SentencePieceTokenizer::~SentencePieceTokenizer() = default;

std::unique_ptr<SentencePieceTokenizer> SentencePieceTokenizer::from_model(std::string model, const std::string& name) {
  detail::check_sentencepiece(model, name);
  auto processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
  try {
    require(processor->LoadFromSerializedProto(model), name);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw CheckpointError("[tokenizer] " + name + " is no usable SentencePiece model: " + error.what());
  }
  return std::unique_ptr<SentencePieceTokenizer>(new SentencePieceTokenizer(std::move(model), std::move(processor)));
}

int SentencePieceTokenizer::checked(std::int64_t id) const {
  if (id >= 0 && id < vocab_size()) return static_cast<int>(id);
  throw InvalidArgument("[tokenizer] no token has the id " + std::to_string(id) + "; ids are below " +
                        std::to_string(vocab_size()));
}

std::string SentencePieceTokenizer::kind() const { return "sentencepiece"; }

std::vector<std::int64_t> SentencePieceTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  std::vector<int> found;
  const std::string valid = detail::valid_utf8(text);
  const auto status = processor_->Encode(valid, &found);
  if (!status.ok()) throw DataError("[tokenizer] the text cannot be encoded: " + status.ToString());
  std::vector<std::int64_t> ids;
  ids.reserve(found.size() + 1);
  if (const auto bos = bos_id(); bos && options.add_special_tokens) ids.push_back(*bos);
  ids.insert(ids.end(), found.begin(), found.end());
  return ids;
}

std::string SentencePieceTokenizer::decode(std::span<const std::int64_t> ids, bool) const {
  std::vector<int> pieces;
  pieces.reserve(ids.size());
  for (const std::int64_t id : ids) pieces.push_back(checked(id));
  std::string text;
  const auto status = processor_->Decode(pieces, &text);
  if (!status.ok()) throw DataError("[tokenizer] the ids cannot be decoded: " + status.ToString());
  return detail::valid_utf8(text);
}

std::int64_t SentencePieceTokenizer::vocab_size() const { return processor_->GetPieceSize(); }

std::string SentencePieceTokenizer::id_to_token(std::int64_t id) const { return processor_->IdToPiece(checked(id)); }

std::optional<std::int64_t> SentencePieceTokenizer::token_to_id(std::string_view token) const {
  // The library answers with the unknown token's id for what it does not know.
  const int id = processor_->PieceToId({token.data(), token.size()});
  if (id < 0 || id >= vocab_size() || processor_->IdToPiece(id) != token) return std::nullopt;
  return id;
}

std::string SentencePieceTokenizer::token_text(std::int64_t id) const {
  const int piece = checked(id);
  if (processor_->IsControl(piece) || processor_->IsUnknown(piece)) return {};
  std::string text = processor_->IdToPiece(piece);
  if (const auto byte = detail::byte_of(text); byte && processor_->IsByte(piece)) return {*byte};
  constexpr std::string_view kSpace = "\xE2\x96\x81";
  for (auto at = text.find(kSpace); at != text.npos; at = text.find(kSpace, at)) text.replace(at, kSpace.size(), " ");
  return text;
}

std::optional<std::int64_t> SentencePieceTokenizer::bos_id() const { return reserved(processor_->bos_id()); }
std::optional<std::int64_t> SentencePieceTokenizer::eos_id() const { return reserved(processor_->eos_id()); }

std::string SentencePieceTokenizer::serialize() const { return "sentencepiece:" + to_base64(model_); }

void SentencePieceTokenizer::save(const std::filesystem::path& path) const { detail::write_file(path, model_); }

}  // namespace retentive::models
