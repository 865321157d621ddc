#include <models/tokenizers/byte_tokenizer.h>

#include <cstdio>

#include <models/tokenizers/detail/utf8.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

constexpr std::int64_t kBytes = 256;

char checked_byte(std::int64_t id) {
  if (id < 0 || id >= kBytes) {
    throw InvalidArgument("[tokenizer] id " + std::to_string(id) + " is no byte; ids from 0 to 255 are accepted");
  }
  return static_cast<char>(id);
}

std::string name_of(std::int64_t byte) {
  char text[8];
  std::snprintf(text, sizeof text, "<0x%02X>", static_cast<unsigned>(byte));
  return text;
}

}  // namespace

std::string ByteTokenizer::kind() const { return "bytes"; }

std::vector<std::int64_t> ByteTokenizer::encode(std::string_view text, const EncodeOptions&) const {
  std::vector<std::int64_t> ids;
  ids.reserve(text.size());
  for (const char byte : text) ids.push_back(static_cast<unsigned char>(byte));
  return ids;
}

std::string ByteTokenizer::decode(std::span<const std::int64_t> ids, bool) const {
  std::string bytes;
  bytes.reserve(ids.size());
  for (const std::int64_t id : ids) bytes += checked_byte(id);
  return detail::valid_utf8(bytes);
}

std::int64_t ByteTokenizer::vocab_size() const { return kBytes; }

std::string ByteTokenizer::id_to_token(std::int64_t id) const {
  checked_byte(id);
  return name_of(id);
}

std::optional<std::int64_t> ByteTokenizer::token_to_id(std::string_view token) const {
  for (std::int64_t byte = 0; byte < kBytes; ++byte) {
    if (token == name_of(byte)) return byte;
  }
  return std::nullopt;
}

std::string ByteTokenizer::token_text(std::int64_t id) const { return {checked_byte(id)}; }

std::optional<std::int64_t> ByteTokenizer::bos_id() const { return std::nullopt; }
std::optional<std::int64_t> ByteTokenizer::eos_id() const { return std::nullopt; }
std::string ByteTokenizer::serialize() const { return "bytes"; }

void ByteTokenizer::save(const std::filesystem::path& path) const {
  throw Unsupported("[tokenizer] " + path.string() +
                    ": bytes need no file; give the word \"bytes\" wherever a tokenizer is asked for");
}

}  // namespace retentive::models
