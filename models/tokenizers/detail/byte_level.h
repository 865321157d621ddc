#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace retentive::models::detail {

/// The pattern that splits text in byte-level BPE, in PCRE2's syntax.
inline constexpr const char* kByteLevelPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|)"
    R"(\p{White_Space}+)";

/// Every byte of `text` as the printable character that stands for it.
std::string bytes_to_characters(std::string_view text);

/// The bytes that the characters of `token` stand for; nothing when one of them stands for none.
std::optional<std::string> characters_to_bytes(std::string_view token);

/// The byte that a token of byte fallback stands for: 0xE2 of "<0xE2>"; nothing for other tokens.
std::optional<char> byte_of(std::string_view token);

}  // namespace retentive::models::detail
