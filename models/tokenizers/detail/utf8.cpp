#include <models/tokenizers/detail/utf8.h>

#include <algorithm>
#include <cstdint>

namespace retentive::models::detail {
namespace {

std::uint8_t byte_at(std::string_view text, std::size_t at) { return static_cast<std::uint8_t>(text[at]); }

struct Lead {
  std::size_t length;
  std::uint8_t low = 0x80;  ///< of the second byte
  std::uint8_t high = 0xBF;
};

Lead read_lead(std::uint8_t byte) {
  if (byte < 0x80) return {1};
  if (byte < 0xC2) return {0};
  if (byte < 0xE0) return {2};
  if (byte == 0xE0) return {3, 0xA0};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3};
  if (byte == 0xF0) return {4, 0x90};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {byte < 0xF4 ? std::size_t{4} : 0};
}

}  // namespace

std::size_t sequence_length(std::string_view text, std::size_t at, bool& complete) {
  const Lead lead = read_lead(byte_at(text, at));
  complete = lead.length == 1;
  if (lead.length <= 1) return 1;
  std::size_t length = 1;
  while (length < lead.length && at + length < text.size()) {
    const std::uint8_t byte = byte_at(text, at + length);
    if (byte < (length == 1 ? lead.low : 0x80) || byte > (length == 1 ? lead.high : 0xBF)) break;
    ++length;
  }
  complete = length == lead.length;
  return length;
}

std::string valid_utf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    bool complete = false;
    const std::size_t length = sequence_length(text, at, complete);
    result += complete ? text.substr(at, length) : kReplacement;
    at += length;
  }
  return result;
}

char32_t next_character(std::string_view text, std::size_t& at) {
  const std::uint8_t first = byte_at(text, at++);
  if (first < 0x80) return first;
  const int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  char32_t character = first & (0x3F >> more);
  for (int i = 0; i < more; ++i) character = character << 6 | (byte_at(text, at++) & 0x3F);
  return character;
}

std::size_t previous_start(std::string_view text, std::size_t end) {
  do {
    --end;
  } while ((byte_at(text, end) & 0xC0) == 0x80);
  return end;
}

void append_character(std::string& text, char32_t character) {
  const auto add = [&text](char32_t byte) { text += static_cast<char>(byte); };
  if (character < 0x80) return add(character);
  if (character < 0x800) {
    add(0xC0 | character >> 6);
  } else {
    if (character < 0x10000) {
      add(0xE0 | character >> 12);
    } else {
      add(0xF0 | character >> 18);
      add(0x80 | (character >> 12 & 0x3F));
    }
    add(0x80 | (character >> 6 & 0x3F));
  }
  add(0x80 | (character & 0x3F));
}

}  // namespace retentive::models::detail
