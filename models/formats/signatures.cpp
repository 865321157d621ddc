#include <models/formats/signatures.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

#include <models/formats/little_endian.h>
#include <models/formats/message.h>
#include <models/formats/safetensors_header.h>

namespace retentive::models::formats {
namespace {

std::string_view text_at(std::span<const std::byte> bytes, std::size_t offset, std::size_t size) {
  if (!in_bounds(offset, size, bytes.size())) return {};
  return {reinterpret_cast<const char*>(bytes.data()) + offset, size};
}

}  // namespace

Signature read_signature(std::span<const std::byte> bytes) noexcept {
  const bool has_json = text_at(bytes, 8, 1) == "{";
  if (has_json && load<std::uint64_t>(bytes, 0) <= kMaxSafetensorsHeader) return Signature::safetensors;
  if (text_at(bytes, 0, 4) == "PK\x03\x04") return Signature::zip;
  const std::string_view protocol = text_at(bytes, 0, 2);
  if (!protocol.empty() && protocol[0] == '\x80' && protocol[1] >= 2 && protocol[1] <= 5) return Signature::pickle;
  return text_at(bytes, 257, 5) == "ustar" ? Signature::tar : Signature::unknown;
}

std::string first_bytes_text(std::span<const std::byte> bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  const auto first = bytes.first(std::min<std::size_t>(bytes.size(), 16));
  std::string numbers;
  for (const std::byte byte : first) {
    const auto value = std::to_integer<unsigned>(byte);
    if (!numbers.empty()) numbers += ' ';
    numbers += kHex[value >> 4];
    numbers += kHex[value & 15];
  }
  return in_quotes(text_at(bytes, 0, first.size())) + " (" + numbers + ")";
}

}  // namespace retentive::models::formats
