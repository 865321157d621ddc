#include <models/tokenizers/detail/pattern.h>

#include <algorithm>
#include <array>
#include <utility>

#include <models/formats/message.h>
#include <models/tokenizers/detail/utf8.h>

namespace retentive::models::detail {
namespace {

std::vector<Span> cover(std::string_view text, const std::vector<Match>& matches) {
  std::vector<Span> spans;
  spans.reserve(2 * matches.size() + 1);
  std::size_t end = 0;
  for (const Match& match : matches) {
    if (match.begin > end) spans.push_back({end, match.begin, false});
    spans.push_back({match.begin, match.end, true});
    end = match.end;
  }
  if (end < text.size()) spans.push_back({end, text.size(), false});
  return spans;
}

// A pattern over texts that are not empty.
template <class Find>
Pattern pattern_of(Find find) {
  return [find = std::move(find)](std::string_view text) {
    return text.empty() ? std::vector<Span>{{0, 0, false}} : cover(text, find(text));
  };
}

// Joins a span to the one before it in `result` where `joins` says so.
template <class Joins>
std::vector<Span> fold(const std::vector<Span>& spans, Joins joins) {
  std::vector<Span> result;
  bool previous = false;
  for (const Span& span : spans) {
    if (!result.empty() && joins(span.match, previous)) {
      result.back() = {std::min(result.back().begin, span.begin), std::max(result.back().end, span.end), false};
    } else {
      result.push_back({span.begin, span.end, false});
    }
    previous = span.match;
  }
  return result;
}

}  // namespace

Pattern regex_pattern(Regex regex) {
  return pattern_of([regex = std::move(regex)](std::string_view text) { return regex.find_all(text); });
}

Pattern literal_pattern(std::string literal) {
  return pattern_of([literal = std::move(literal)](std::string_view text) {
    std::vector<Match> matches;
    for (std::size_t at = text.find(literal); at != text.npos; at = text.find(literal, at + literal.size())) {
      matches.push_back({at, at + literal.size()});
    }
    return matches;
  });
}

Pattern character_pattern(std::function<bool(char32_t)> predicate) {
  return pattern_of([predicate = std::move(predicate)](std::string_view text) {
    std::vector<Match> matches;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t start = at;
      if (predicate(next_character(text, at))) matches.push_back({start, at});
    }
    return matches;
  });
}

Pattern inverted(Pattern pattern) {
  return [pattern = std::move(pattern)](std::string_view text) {
    auto spans = pattern(text);
    for (Span& span : spans) span.match = !span.match;
    return spans;
  };
}

Pattern read_pattern(const Json& json, const std::string& where) {
  Fields fields(json, where);
  const auto literal = fields.optional_text("String"), regex = fields.optional_text("Regex");
  fields.finish();
  if (literal.has_value() == regex.has_value()) {
    fail_malformed(where, "must have exactly one of the fields 'String' and 'Regex'");
  }
  if (regex) {
    const std::string place = fields.where("Regex");
    return regex_pattern(Regex(translate_regex(*regex, place), place));
  }
  if (literal->empty())
    fail_unsupported(fields.where("String"), "is empty; a text of one character or more is supported");
  return literal_pattern(*literal);
}

SplitBehavior read_behavior(const std::string& name, const std::string& where) {
  constexpr std::array<std::pair<std::string_view, SplitBehavior>, 5> kNames = {{
      {"Removed", SplitBehavior::removed},
      {"Isolated", SplitBehavior::isolated},
      {"MergedWithPrevious", SplitBehavior::merged_with_previous},
      {"MergedWithNext", SplitBehavior::merged_with_next},
      {"Contiguous", SplitBehavior::contiguous},
  }};
  for (const auto& [known, behavior] : kNames) {
    if (name == known) return behavior;
  }
  fail_malformed(where, "is " + formats::in_quotes(name) +
                            "; Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous is accepted");
}

std::vector<Span> split(std::vector<Span> spans, SplitBehavior behavior) {
  const auto starts_match = [](bool match, bool previous) { return match && !previous; };
  switch (behavior) {
    case SplitBehavior::removed:
      std::erase_if(spans, [](const Span& span) { return span.match; });
      break;
    case SplitBehavior::isolated:
      break;
    case SplitBehavior::contiguous:
      return fold(spans, [](bool match, bool previous) { return match == previous; });
    case SplitBehavior::merged_with_previous:
      return fold(spans, starts_match);
    case SplitBehavior::merged_with_next:
      std::reverse(spans.begin(), spans.end());
      spans = fold(spans, starts_match);
      std::reverse(spans.begin(), spans.end());
      break;
  }
  return spans;
}

}  // namespace retentive::models::detail
