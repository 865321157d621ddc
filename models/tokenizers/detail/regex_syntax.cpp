#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>

#include <models/formats/message.h>
#include <models/tokenizers/detail/fields_json.h>
#include <models/tokenizers/detail/regex.h>
#include <models/tokenizers/detail/regex_property.h>
#include <models/tokenizers/detail/utf8.h>

namespace retentive::models::detail {
namespace {

// Oniguruma's \w, inside a class.
constexpr std::string_view kWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE})";

class Translator {
 public:
  Translator(const std::string& pattern, const std::string& where) : in_(pattern), where_(where) {}

  std::string run() {
    while (at_ < in_.size()) step();
    return std::move(out_);
  }

 private:
  struct Group {
    bool caseless;
    bool repeatable;
  };

  [[noreturn]] void refuse(const std::string& what) const {
    fail_unsupported(where_, "uses " + what + " in the pattern " + formats::in_quotes(in_) +
                                 ", which is not supported; no approximation is made");
  }

  bool take(std::string_view text) {
    if (in_.compare(at_, text.size(), text) != 0) return false;
    at_ += text.size();
    return true;
  }

  static bool ascii_letter(char32_t c) { return c < 0x80 && std::isalpha(static_cast<int>(c)) != 0; }

  static std::string code_point(char32_t character) {
    char text[16];
    std::snprintf(text, sizeof text, "\\x{%X}", static_cast<unsigned>(character));
    return text;
  }

  bool caseless() const { return !groups_.empty() && groups_.back().caseless; }

  void step() {
    const char c = in_[at_];
    if (c == '(') return open();
    if (c == ')') return close();
    if (c == '[') return atom(character_class());
    if (c == '\\') return escape();
    if (c == '?' || c == '*' || c == '+' || c == '{') return quantifier();
    if (c == '|' || c == '^' || c == '$') {
      ++at_;
      out_ += c;
      repeatable_ = false;
      folded_ = 0;
      return;
    }
    if (take(".")) return atom(".");
    literal(next_character(in_, at_));
  }

  void atom(const std::string& text) {
    out_ += text;
    repeatable_ = true;
    folded_ = 0;
  }

  void literal(char32_t character) {
    if (caseless()) check_folding(character);
    atom(code_point(character));
    if (caseless()) folded_ = static_cast<char32_t>(std::tolower(static_cast<int>(character)));
  }

  // Oniguruma lets one character match several letters (such as the long s and t) when case is ignored.
  void check_folding(char32_t character) const {
    if (character >= 0x80) refuse("a character beyond ASCII where case is ignored");
    const std::string pair = {static_cast<char>(folded_), static_cast<char>(std::tolower(static_cast<int>(character)))};
    for (const char* ligature : {"ss", "st", "ff", "fi", "fl"}) {
      if (pair == ligature) refuse("'" + pair + "' where case is ignored");
    }
  }

  void open() {
    constexpr std::array<std::string_view, 6> kGroups = {"(?:", "(?>", "(?=", "(?!", "(?<=", "(?<!"};
    bool is_caseless = caseless(), is_repeatable = true;
    const std::size_t start = at_;
    if (take("(?i:")) {
      is_caseless = true;
      out_ += "(?i:";
    } else if (in_.compare(at_, 2, "(?") != 0) {
      ++at_;
      out_ += "(?:";  // nothing refers back to groups
    } else {
      const auto group = std::find_if(kGroups.begin(), kGroups.end(), [&](auto text) { return take(text); });
      if (group == kGroups.end()) refuse("the group " + formats::in_quotes(in_.substr(start, 4)));
      out_ += *group;
      is_repeatable = group - kGroups.begin() < 2;
    }
    groups_.push_back({is_caseless, is_repeatable});
    repeatable_ = false;
    folded_ = 0;
  }

  void close() {
    ++at_;
    if (groups_.empty()) fail_malformed(where_, "has a ')' without '(' in the pattern " + formats::in_quotes(in_));
    repeatable_ = groups_.back().repeatable;
    groups_.pop_back();
    out_ += ')';
    folded_ = 0;
  }

  void quantifier() {
    const std::size_t start = at_;
    const bool interval = in_[at_] == '{';
    bool exact = false;
    if (interval) {
      const std::size_t end = in_.find('}', at_);
      std::string inner = end == in_.npos ? "" : in_.substr(at_ + 1, end - at_ - 1);
      exact = inner.find(',') == inner.npos;
      const bool valid = inner.find_first_not_of("0123456789,") == inner.npos &&
                         inner.find_first_of("0123456789") != inner.npos &&
                         std::count(inner.begin(), inner.end(), ',') <= 1;
      if (!valid) refuse("a '{' that starts no interval");
      if (inner.front() == ',') inner.insert(0, "0");
      at_ = end + 1;
      out_ += "{" + inner + "}";
    } else {
      out_ += in_[at_++];
    }
    if (!repeatable_) refuse("the quantifier " + formats::in_quotes(in_.substr(start, at_ - start)) + " on nothing");
    // In this flavour {n}? means zero or n, and {n,m}+ repeats the whole interval.
    if (interval && ((exact && in_.compare(at_, 1, "?") == 0) || in_.compare(at_, 1, "+") == 0)) {
      refuse("an interval followed by " + formats::in_quotes(in_.substr(at_, 1)));
    }
    if (at_ < in_.size() && (in_[at_] == '?' || in_[at_] == '+')) out_ += in_[at_++];
    repeatable_ = false;
    folded_ = 0;
  }

  void escape() {
    const std::size_t start = at_;
    for (const std::string_view anchor : {"\\A", "\\z", "\\Z"}) {
      if (!take(anchor)) continue;
      out_ += anchor;
      repeatable_ = false;
      folded_ = 0;
      return;
    }
    if (std::string set = escaped_set(); !set.empty()) {
      return atom(set == kWord || set == "^" ? (set == "^" ? "[^" : "[") + std::string(kWord) + "]" : set);
    }
    at_ = start;
    literal(escaped_character());
  }

  // The set that an escape such as \s names, as part of a PCRE2 class; "^" for \W, empty when it names none.
  std::string escaped_set() {
    const char name = at_ + 1 < in_.size() ? in_[at_ + 1] : '\0';
    at_ += 2;
    switch (name) {
      case 's':
        return "\\p{White_Space}";
      case 'S':
        return "\\P{White_Space}";
      case 'd':
        return "\\p{Nd}";
      case 'D':
        return "\\P{Nd}";
      case 'w':
        return std::string(kWord);
      case 'W':
        return "^";
      case 'p':
      case 'P':
        return property(name == 'P');
      default:
        return {};
    }
  }

  std::string property(bool negated) {
    const std::size_t end = in_.find('}', at_);
    if (in_.compare(at_, 1, "{") != 0 || end == in_.npos) refuse("a property without braces");
    std::string name = in_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    if (name.starts_with("^")) {
      negated = !negated;
      name.erase(0, 1);
    }
    const auto known = pcre_property(name);
    if (!known) refuse("the property " + formats::in_quotes(name));
    if (caseless() && (name == "Lu" || name == "Ll" || name == "Lt")) refuse("letter case where case is ignored");
    return (negated ? "\\P{" : "\\p{") + *known + "}";
  }

  // The single character that an escape stands for.
  char32_t escaped_character() {
    const std::size_t start = at_++;
    if (at_ == in_.size()) fail_malformed(where_, "ends in '\\' in the pattern " + formats::in_quotes(in_));
    constexpr std::string_view kNames = "tnrfvae", kValues = "\t\n\r\f\v\a\x1B";
    const char name = in_[at_];
    if (const auto index = kNames.find(name); index != kNames.npos) {
      ++at_;
      return static_cast<unsigned char>(kValues[index]);
    }
    if (take("x{")) return hexadecimal(start, in_.find('}', at_), 1, 0x10FFFF);
    if (take("x")) return hexadecimal(start, at_ + 2, 0, 0x7F);
    if (take("u")) return hexadecimal(start, at_ + 4, 0, 0xFFFF);
    if (std::isalnum(static_cast<unsigned char>(name)) != 0) {
      refuse("the escape " + formats::in_quotes(in_.substr(start, 2)));
    }
    return next_character(in_, at_);
  }

  char32_t hexadecimal(std::size_t start, std::size_t end, std::size_t closing, char32_t largest) {
    const std::string digits = end > in_.size() ? "" : in_.substr(at_, end - at_);
    const bool valid = !digits.empty() && digits.size() <= 6 &&
                       std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
    const char32_t value = valid ? static_cast<char32_t>(std::stoul(digits, nullptr, 16)) : 0;
    if (!valid || value > largest || (value >= 0xD800 && value < 0xE000)) {
      refuse("the escape " + formats::in_quotes(in_.substr(start, 8)));
    }
    at_ = end + closing;
    return value;
  }

  std::string character_class() {
    if (caseless()) refuse("a character class where case is ignored");
    std::string result(1, in_[at_++]);
    if (take("^")) result += '^';
    if (in_.compare(at_, 1, "]") == 0) refuse("a class that starts with ']'");
    while (!take("]")) {
      if (at_ >= in_.size()) {
        fail_malformed(where_, "has a '[' without ']' in the pattern " + formats::in_quotes(in_));
      }
      result += class_item();
    }
    return result + "]";
  }

  std::string class_item() {
    if (in_[at_] == '[') refuse("a class inside a class");
    if (in_.compare(at_, 2, "&&") == 0) refuse("'&&' in a class");
    const std::size_t start = at_;
    if (in_[at_] == '\\') {
      const std::string set = escaped_set();
      if (set == "^") refuse("\\W in a class");
      if (!set.empty()) {
        if (in_.compare(at_, 1, "-") == 0 && in_.compare(at_, 2, "-]") != 0) refuse("a range that starts with a set");
        return set;
      }
      at_ = start;
    }
    const char32_t first = class_character();
    if (in_.compare(at_, 1, "-") != 0 || in_.compare(at_, 2, "-]") == 0) return code_point(first);
    ++at_;
    if (at_ >= in_.size() || in_[at_] == '[') refuse("a range without an end");
    const std::size_t end = at_;
    if (in_[at_] == '\\' && !escaped_set().empty()) refuse("a range that ends with a set");
    at_ = end;
    const char32_t last = class_character();
    if (last < first) fail_malformed(where_, "has a range backwards in the pattern " + formats::in_quotes(in_));
    return code_point(first) + "-" + code_point(last);
  }

  char32_t class_character() { return in_[at_] == '\\' ? escaped_character() : next_character(in_, at_); }

  const std::string& in_;
  const std::string& where_;
  std::size_t at_ = 0;
  std::string out_;
  std::vector<Group> groups_;
  bool repeatable_ = false;  ///< what came last may be quantified
  char32_t folded_ = 0;      ///< the literal just before, where case is ignored
};

}  // namespace

std::string translate_regex(const std::string& pattern, const std::string& where) {
  return Translator(pattern, where).run();
}

}  // namespace retentive::models::detail
