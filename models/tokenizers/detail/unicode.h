#pragma once

#include <string>
#include <string_view>

namespace retentive::models::detail {

enum class NormalForm { nfc, nfd, nfkc, nfkd };

/// `text` (valid UTF-8) in a Unicode normal form, by the tables of Unicode 9.0: what came later is left as
/// it is, which is what the tokenizers library does.
std::string normal_form(std::string_view text, NormalForm form);

/// `text` with every character lowered on its own, regardless of its neighbours.
std::string lowercase(std::string_view text);

/// The Unicode property White_Space.
bool is_white_space(char32_t character);

/// General categories Nd, Nl and No.
bool is_numeric(char32_t character);

/// ASCII punctuation and symbols, and the categories P* as Unicode 8 had them.
bool is_punctuation(char32_t character);

}  // namespace retentive::models::detail
