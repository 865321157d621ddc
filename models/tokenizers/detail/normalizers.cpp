#include <models/formats/message.h>
#include <models/tokenizers/detail/components.h>
#include <models/tokenizers/detail/unicode.h>
#include <models/tokenizers/detail/utf8.h>

namespace retentive::models::detail {
namespace {

Normalizer unicode_form(NormalForm form) {
  return
      [form](Piece& piece) { change_text(piece, [form](std::string_view text) { return normal_form(text, form); }); };
}

Normalizer read_prepend(Fields& fields) {
  return [prefix = fields.text("prepend")](Piece& piece) {
    if (piece.text.empty()) return;
    piece.text.insert(0, prefix);
    if (piece.head > 0) piece.head += prefix.size();
  };
}

// What takes a match's place counts as coming from the match's last byte.
void replace_matches(Piece& piece, const Pattern& pattern, const std::string& content) {
  std::string text;
  std::size_t head = 0;
  for (const Span& span : pattern(piece.text)) {
    if (span.match) {
      text += content;
      if (span.end <= piece.head) head = text.size();
    } else {
      text.append(piece.text, span.begin, span.end - span.begin);
      if (span.begin < piece.head) head = text.size() - (span.end - std::min(span.end, piece.head));
    }
  }
  piece.head = head;
  piece.text = std::move(text);
}

Normalizer read_replace(Fields& fields) {
  const Pattern pattern = read_pattern(fields.at("pattern"), fields.where("pattern"));
  return [pattern, content = fields.text("content")](Piece& piece) { replace_matches(piece, pattern, content); };
}

Normalizer read_strip(Fields& fields) {
  const bool left = fields.flag("strip_left"), right = fields.flag("strip_right");
  return [left, right](Piece& piece) {
    std::size_t begin = 0, end = piece.text.size();
    for (std::size_t at = 0; left && at < end && is_white_space(next_character(piece.text, at));) begin = at;
    while (right && end > begin) {
      std::size_t at = previous_start(piece.text, end);
      const std::size_t start = at;
      if (!is_white_space(next_character(piece.text, at))) break;
      end = start;
    }
    piece.text = piece.text.substr(begin, end - begin);
    piece.head = std::min(piece.head > begin ? piece.head - begin : 0, piece.text.size());
  };
}

Normalizer read_sequence(Fields& fields) {
  std::vector<Normalizer> steps;
  for (const Json& member : sequence_members(fields, "normalizers")) {
    steps.push_back(read_normalizer(member, fields.where("normalizers") + "[" + std::to_string(steps.size()) + "]"));
  }
  return [steps](Piece& piece) {
    for (const Normalizer& step : steps) {
      if (step) step(piece);
    }
  };
}

Normalizer read_typed(const std::string& type, Fields& fields) {
  if (type == "NFC") return unicode_form(NormalForm::nfc);
  if (type == "NFD") return unicode_form(NormalForm::nfd);
  if (type == "NFKC") return unicode_form(NormalForm::nfkc);
  if (type == "NFKD") return unicode_form(NormalForm::nfkd);
  if (type == "Lowercase") return [](Piece& piece) { change_text(piece, lowercase); };
  if (type == "Prepend") return read_prepend(fields);
  if (type == "Replace") return read_replace(fields);
  if (type == "Strip") return read_strip(fields);
  if (type == "Sequence") return read_sequence(fields);
  fail_unsupported(fields.where("type"), formats::in_quotes(type) +
                                             " is not supported; NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace, "
                                             "Strip and Sequence are");
}

}  // namespace

const Json& sequence_members(Fields& fields, std::string_view key) {
  constexpr std::ptrdiff_t kDeepest = 16;
  const std::string& where = fields.where();
  if (std::count(where.begin(), where.end(), '[') > kDeepest) {
    fail_malformed(where, "nests sequences more than " + std::to_string(kDeepest) + " deep");
  }
  return fields.array(key);
}

Normalizer read_normalizer(const Json& json, const std::string& where) {
  if (json.is_null()) return {};
  Fields fields(json, where);
  const Normalizer result = read_typed(fields.text("type"), fields);
  fields.finish();
  return result;
}

}  // namespace retentive::models::detail
