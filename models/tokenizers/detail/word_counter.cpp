#include <models/tokenizers/detail/word_counter.h>

#include <algorithm>

#include <models/tokenizers/detail/byte_level.h>
#include <models/tokenizers/detail/utf8.h>

namespace retentive::models::detail {
namespace {

// A pattern for any of the tokens, the longest first.
std::string any_of(std::vector<std::string> tokens) {
  std::sort(tokens.begin(), tokens.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string pattern;
  for (const std::string& token : tokens) {
    if (!pattern.empty()) pattern += '|';
    for (const char c : token) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte >= 0x80) {
        pattern += c;
      } else {
        pattern += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
      }
    }
  }
  return pattern;
}

bool is_letter(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }

// A place from `from` on where cutting changes no word: at a single space between two letters.
std::size_t block_end(std::string_view text, std::size_t from) {
  for (std::size_t at = from; at + 1 < text.size(); ++at) {
    if (text[at] == ' ' && is_letter(text[at - 1]) && is_letter(text[at + 1])) return at;
  }
  return text.size();
}

}  // namespace

WordCounter::WordCounter(std::vector<std::string> special_tokens, bool add_prefix_space)
    : add_prefix_space_(add_prefix_space), words_(kByteLevelPattern) {
  if (!special_tokens.empty()) special_.emplace(any_of(std::move(special_tokens)));
}

void WordCounter::add(std::string_view text) {
  const std::string valid = valid_utf8(text);
  const std::string_view view = valid;
  std::size_t begin = 0;
  if (special_) {
    for (const Match& match : special_->find_all(view)) {
      add_plain(view.substr(begin, match.begin - begin));
      begin = match.end;
    }
  }
  add_plain(view.substr(begin));
}

void WordCounter::add_plain(std::string_view text) {
  constexpr std::size_t kBlock = 1 << 20;
  if (add_prefix_space_ && !text.empty() && text.front() != ' ') {
    const std::size_t end = block_end(text, 1);
    count(" " + std::string(text.substr(0, end)));
    text.remove_prefix(end);
  }
  while (!text.empty()) {
    const std::size_t end = block_end(text, std::min(text.size(), kBlock));
    count(text.substr(0, end));
    text.remove_prefix(end);
  }
}

void WordCounter::count(std::string_view text) {
  for (const Match& match : words_.find_all(text)) {
    ++counts_[std::string(text.substr(match.begin, match.end - match.begin))];
  }
}

}  // namespace retentive::models::detail
