#include <models/tokenizers/detail/byte_level.h>

#include <array>
#include <cstdint>

#include <models/tokenizers/detail/utf8.h>

namespace retentive::models::detail {
namespace {

constexpr char32_t kFirstStandIn = 0x100;
constexpr std::size_t kStandIns = 68;

constexpr bool printable(unsigned byte) { return (byte > 0x20 && byte < 0x7F) || (byte >= 0xA1 && byte != 0xAD); }

// Printable bytes are their own character; the others take U+0100 and up in order.
struct Tables {
  std::array<std::string, 256> characters;
  std::array<std::int16_t, kFirstStandIn + kStandIns> bytes;

  Tables() {
    bytes.fill(-1);
    char32_t next = kFirstStandIn;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const char32_t character = printable(byte) ? byte : next++;
      append_character(characters[byte], character);
      bytes[character] = static_cast<std::int16_t>(byte);
    }
  }
};

const Tables& tables() {
  static const Tables tables;
  return tables;
}

}  // namespace

std::string bytes_to_characters(std::string_view text) {
  std::string result;
  result.reserve(text.size() + text.size() / 4);
  for (const char byte : text) result += tables().characters[static_cast<std::uint8_t>(byte)];
  return result;
}

std::optional<std::string> characters_to_bytes(std::string_view token) {
  std::string result;
  result.reserve(token.size());
  const auto& bytes = tables().bytes;
  for (std::size_t at = 0; at < token.size();) {
    const char32_t character = next_character(token, at);
    if (character >= bytes.size() || bytes[character] < 0) return std::nullopt;
    result += static_cast<char>(bytes[character]);
  }
  return result;
}

std::optional<char> byte_of(std::string_view token) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  int value = 0;
  for (const char c : {token[3], token[4]}) {
    const auto digit = kDigits.find(c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c);
    if (digit == kDigits.npos) return std::nullopt;
    value = value * 16 + static_cast<int>(digit);
  }
  return static_cast<char>(value);
}

}  // namespace retentive::models::detail
