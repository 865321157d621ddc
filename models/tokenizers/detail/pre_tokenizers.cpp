#include <models/formats/message.h>
#include <models/tokenizers/detail/byte_level.h>
#include <models/tokenizers/detail/components.h>
#include <models/tokenizers/detail/metaspace.h>
#include <models/tokenizers/detail/unicode.h>
#include <models/tokenizers/detail/utf8.h>

namespace retentive::models::detail {
namespace {

// The characters of the regex crate's \w, inside a class.
constexpr const char* kWordsPattern = R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|)"
                                      R"([^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+)";

PreTokenizer splitter(Pattern pattern, SplitBehavior behavior) {
  return [pattern = std::move(pattern), behavior](Pieces& pieces) { split_pieces(pieces, pattern, behavior); };
}

PreTokenizer read_byte_level(Fields& fields) {
  const bool prefix = fields.flag("add_prefix_space"), use_regex = fields.flag("use_regex", true);
  fields.flag("trim_offsets", true);  // of no effect on ids
  const Pattern pattern = use_regex ? regex_pattern(Regex(kByteLevelPattern)) : Pattern();
  return [prefix, pattern](Pieces& pieces) {
    take_apart(pieces, [&](Piece& piece, const auto& add) {
      if (prefix && !piece.text.starts_with(' ')) {
        piece.text.insert(0, 1, ' ');
        if (piece.head > 0) ++piece.head;
      }
      if (!pattern) return add(std::move(piece));
      for (const Span& span : pattern(piece.text)) add(piece.slice(span.begin, span.end));
    });
    for (Piece& piece : pieces) {
      if (!piece.token) change_text(piece, bytes_to_characters);
    }
  };
}

PreTokenizer read_split(Fields& fields) {
  Pattern pattern = read_pattern(fields.at("pattern"), fields.where("pattern"));
  const SplitBehavior behavior = read_behavior(fields.text("behavior"), fields.where("behavior"));
  if (fields.flag("invert")) pattern = inverted(pattern);
  return splitter(pattern, behavior);
}

PreTokenizer read_digits(Fields& fields) {
  const bool single = fields.flag("individual_digits");
  return splitter(character_pattern(is_numeric), single ? SplitBehavior::isolated : SplitBehavior::contiguous);
}

PreTokenizer read_punctuation(Fields& fields) {
  const auto name = fields.optional_text("behavior").value_or("Isolated");
  return splitter(character_pattern(is_punctuation), read_behavior(name, fields.where("behavior")));
}

std::string spaces_replaced(std::string_view text, std::string_view replacement) {
  std::string result;
  for (const char c : text) c == ' ' ? result += replacement : result += c;
  return result;
}

PreTokenizer read_metaspace_splitter(Fields& fields) {
  const Metaspace options = read_metaspace(fields);
  std::string mark;
  append_character(mark, options.replacement);
  const Pattern pattern = literal_pattern(mark);
  return [options, mark, pattern](Pieces& pieces) {
    take_apart(pieces, [&](Piece& piece, const auto& add) {
      change_text(piece, [&mark](std::string_view text) { return spaces_replaced(text, mark); });
      const bool wanted =
          options.prepend == PrependScheme::always || (options.prepend == PrependScheme::first && piece.first);
      if (wanted && !piece.text.starts_with(mark)) {
        piece.text.insert(0, mark);
        if (piece.head > 0) piece.head += mark.size();
      }
      if (!options.split) return add(std::move(piece));
      for (const Span& span : split(pattern(piece.text), SplitBehavior::merged_with_next)) {
        add(piece.slice(span.begin, span.end));
      }
    });
  };
}

PreTokenizer read_sequence(Fields& fields) {
  std::vector<PreTokenizer> steps;
  for (const Json& member : sequence_members(fields, "pretokenizers")) {
    steps.push_back(
        read_pre_tokenizer(member, fields.where("pretokenizers") + "[" + std::to_string(steps.size()) + "]"));
  }
  return [steps](Pieces& pieces) {
    for (const PreTokenizer& step : steps) {
      if (step) step(pieces);
    }
  };
}

PreTokenizer read_typed(const std::string& type, Fields& fields) {
  if (type == "ByteLevel") return read_byte_level(fields);
  if (type == "Split") return read_split(fields);
  if (type == "Digits") return read_digits(fields);
  if (type == "Punctuation") return read_punctuation(fields);
  if (type == "Whitespace") return splitter(inverted(regex_pattern(Regex(kWordsPattern))), SplitBehavior::removed);
  if (type == "WhitespaceSplit") return splitter(character_pattern(is_white_space), SplitBehavior::removed);
  if (type == "Metaspace") return read_metaspace_splitter(fields);
  if (type == "Sequence") return read_sequence(fields);
  fail_unsupported(fields.where("type"), formats::in_quotes(type) +
                                             " is not supported; ByteLevel, Split, Digits, Punctuation, Whitespace, "
                                             "WhitespaceSplit, Metaspace and Sequence are");
}

}  // namespace

PreTokenizer read_pre_tokenizer(const Json& json, const std::string& where) {
  if (json.is_null()) return {};
  Fields fields(json, where);
  const PreTokenizer result = read_typed(fields.text("type"), fields);
  fields.finish();
  return result;
}

}  // namespace retentive::models::detail
