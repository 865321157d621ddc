#include <models/tokenizers/detail/added_tokens.h>

#include <models/formats/message.h>
#include <models/tokenizers/detail/unicode.h>
#include <models/tokenizers/detail/utf8.h>

namespace retentive::models::detail {
namespace {

bool is_word(std::string_view character) {
  static const Regex word(R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}])");
  return !word.find_all(character).empty();
}

bool ends_with_word(std::string_view text) {
  return !text.empty() && is_word(text.substr(previous_start(text, text.size())));
}

bool starts_with_word(std::string_view text) {
  std::size_t end = 0;
  if (!text.empty()) next_character(text, end);
  return end > 0 && is_word(text.substr(0, end));
}

// Where the white space before `end` starts.
std::size_t space_before(std::string_view text, std::size_t end) {
  while (end > 0) {
    const std::size_t start = previous_start(text, end);
    std::size_t at = start;
    if (!is_white_space(next_character(text, at))) break;
    end = start;
  }
  return end;
}

// Where the white space from `begin` ends.
std::size_t space_after(std::string_view text, std::size_t begin) {
  for (std::size_t at = begin; at < text.size() && is_white_space(next_character(text, at));) begin = at;
  return begin;
}

}  // namespace

std::vector<AddedToken> read_added_tokens(const Json& json, const std::string& where) {
  std::vector<AddedToken> tokens;
  if (json.is_null()) return tokens;
  if (!json.is_array()) fail_malformed(where, "is no list");
  for (const Json& item : json) {
    Fields fields(item, where + "[" + std::to_string(tokens.size()) + "]");
    AddedToken token;
    token.content = token.pattern = fields.text("content");
    token.id = fields.number("id");
    token.special = fields.flag("special");
    token.single_word = fields.flag("single_word");
    token.lstrip = fields.flag("lstrip");
    token.rstrip = fields.flag("rstrip");
    token.normalized = fields.flag("normalized");
    fields.finish();
    if (token.content.empty()) fail_malformed(fields.where("content"), "is empty");
    tokens.push_back(std::move(token));
  }
  return tokens;
}

TokenFinder::TokenFinder(const std::vector<AddedToken>& tokens, bool normalized, const std::string& where) {
  for (const AddedToken& token : tokens) {
    if (token.normalized != normalized || token.pattern.empty()) continue;
    std::uint32_t node = 0;
    for (const char byte : token.pattern) {
      const auto next = static_cast<std::uint32_t>(ends_.size());
      const auto [edge, is_new] = edges_.emplace(std::uint64_t{node} << 8 | static_cast<unsigned char>(byte), next);
      if (is_new) ends_.push_back(-1);
      node = edge->second;
    }
    if (ends_[node] >= 0) {
      fail_malformed(where, "has two tokens that match " + formats::in_quotes(token.pattern) + "; remove one");
    }
    ends_[node] = static_cast<std::int64_t>(tokens_.size());
    starts_[static_cast<unsigned char>(token.pattern.front())] = true;
    tokens_.push_back(token);
  }
}

std::int64_t TokenFinder::longest(std::string_view text, std::size_t at) const {
  std::int64_t found = -1;
  if (!starts_[static_cast<unsigned char>(text[at])]) return -1;
  std::uint32_t node = 0;
  for (; at < text.size(); ++at) {
    const auto edge = edges_.find(std::uint64_t{node} << 8 | static_cast<unsigned char>(text[at]));
    if (edge == edges_.end()) break;
    node = edge->second;
    if (ends_[node] >= 0) found = ends_[node];
  }
  return found;
}

void TokenFinder::split(Pieces& pieces, bool match_special) const {
  take_apart(pieces, [&](Piece& piece, const auto& add) {
    const std::string& text = piece.text;
    std::size_t done = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::int64_t found = longest(text, at);
      if (found < 0) {
        ++at;
        continue;
      }
      const AddedToken& token = tokens_[static_cast<std::size_t>(found)];
      std::size_t begin = at, end = at + token.pattern.size();
      at = end;
      if (token.special && !match_special) continue;
      const std::string_view view = text;
      if (token.single_word && (ends_with_word(view.substr(0, begin)) || starts_with_word(view.substr(end)))) continue;
      if (token.lstrip) begin = std::max(space_before(text, begin), done);
      if (token.rstrip) end = space_after(text, end);
      if (done < begin) add(piece.slice(done, begin));
      add(Piece{{}, token.id});
      done = end;
    }
    if (done < text.size()) add(piece.slice(done, text.size()));
  });
}

}  // namespace retentive::models::detail
