#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <models/tokenizers/detail/pattern.h>

namespace retentive::models::detail {

/// A part of the text on its way to ids.
struct Piece {
  std::string text;
  std::optional<std::int64_t> token = std::nullopt;  ///< an added token: final, its text no longer counts
  /// The part starts where the whole text starts, and its first `head` bytes stem from the text's first character.
  /// Metaspace's scheme "first" asks for it.
  bool first = false;
  std::size_t head = 0;

  Piece slice(std::size_t begin, std::size_t end) const {
    return {text.substr(begin, end - begin), std::nullopt,
            first && begin<head, head> begin ? std::min(head, end) - begin : 0};
  }
};

using Pieces = std::vector<Piece>;

/// Puts `change(text)` in the place of the text, where `change` works character by character.
template <class Change>
void change_text(Piece& piece, Change change) {
  std::string text = change(std::string_view(piece.text));
  if (piece.head > 0) {
    const std::string head = change(std::string_view(piece.text).substr(0, piece.head));
    std::size_t first_end = text.empty() ? 0 : 1;
    while (first_end < text.size() && (text[first_end] & 0xC0) == 0x80) ++first_end;
    piece.head = text.starts_with(head) ? head.size() : first_end;
  }
  piece.text = std::move(text);
}

/// Takes every piece that is no token apart: `cut(piece, add)` calls `add(part)`; empty parts vanish.
template <class Cut>
void take_apart(Pieces& pieces, Cut cut) {
  Pieces result;
  result.reserve(pieces.size());
  const auto add = [&result](Piece part) {
    if (part.token || !part.text.empty()) result.push_back(std::move(part));
  };
  for (Piece& piece : pieces) {
    if (piece.token) {
      result.push_back(std::move(piece));
    } else {
      cut(piece, add);
    }
  }
  pieces = std::move(result);
}

/// Splits every piece at what the pattern matches.
inline void split_pieces(Pieces& pieces, const Pattern& pattern, SplitBehavior behavior) {
  take_apart(pieces, [&](Piece& piece, const auto& add) {
    for (const Span& span : split(pattern(piece.text), behavior)) add(piece.slice(span.begin, span.end));
  });
}

}  // namespace retentive::models::detail
