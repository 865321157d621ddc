#include <models/tokenizers/tokenizer.h>

#include <models/tokenizers/bpe_tokenizer.h>
#include <models/tokenizers/byte_tokenizer.h>
#include <models/tokenizers/detail/files.h>
#include <models/tokenizers/sentencepiece_tokenizer.h>
#include <retention/base/base64.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

constexpr std::string_view kSentencePiecePrefix = "sentencepiece:";

bool looks_like_json(std::string_view content) {
  if (content.starts_with("\xEF\xBB\xBF")) content.remove_prefix(3);
  const std::size_t first = content.find_first_not_of(" \t\r\n");
  return first != content.npos && content[first] == '{';
}

// The list of pieces is field 1 of the model's protocol buffer and comes first.
bool looks_like_sentencepiece(std::string_view content) { return content.starts_with('\n') && content.size() > 2; }

std::unique_ptr<Tokenizer> read_content(std::string content, const std::string& name) {
  if (looks_like_json(content)) return BpeTokenizer::from_json(std::move(content), name);
  if (looks_like_sentencepiece(content)) return SentencePieceTokenizer::from_model(std::move(content), name);
  throw CheckpointError("[tokenizer] " + name + (content.empty() ? " is empty" : " is of no known kind") +
                        "; a tokenizer.json with a BPE model, a SentencePiece model or the word \"bytes\" is accepted");
}

}  // namespace

Tokenizer::~Tokenizer() = default;

std::unique_ptr<Tokenizer> load_tokenizer(const std::string& path) {
  if (path == "bytes") return std::make_unique<ByteTokenizer>();
  return read_content(detail::read_file(path), path);
}

std::unique_ptr<Tokenizer> parse_tokenizer(std::string_view text, const std::string& name) {
  if (text == "bytes") return std::make_unique<ByteTokenizer>();
  if (!text.starts_with(kSentencePiecePrefix)) return read_content(std::string(text), name);
  auto model = from_base64(text.substr(kSentencePiecePrefix.size()));
  if (!model) throw CheckpointError("[tokenizer] " + name + " holds a SentencePiece model that is no valid base64");
  return SentencePieceTokenizer::from_model(std::move(*model), name);
}

}  // namespace retentive::models
