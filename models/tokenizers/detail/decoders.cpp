#include <array>

#include <models/formats/message.h>
#include <models/tokenizers/detail/byte_level.h>
#include <models/tokenizers/detail/components.h>
#include <models/tokenizers/detail/metaspace.h>
#include <models/tokenizers/detail/utf8.h>

namespace retentive::models::detail {
namespace {

using Tokens = std::vector<std::string>;

std::string joined(const Tokens& tokens) {
  std::string result;
  for (const std::string& token : tokens) result += token;
  return result;
}

void decode_byte_level(Tokens& tokens) {
  std::string bytes;
  for (const std::string& token : tokens) bytes += characters_to_bytes(token).value_or(token);
  tokens = {valid_utf8(bytes)};
}

bool is_valid_utf8(std::string_view text) {
  bool complete = true;
  for (std::size_t at = 0; at < text.size() && complete;) at += sequence_length(text, at, complete);
  return complete;
}

// A run of byte tokens is one text, or as many U+FFFD when it is malformed anywhere.
void decode_byte_fallback(Tokens& tokens) {
  Tokens result;
  std::string run;
  const auto flush = [&] {
    if (run.empty()) return;
    if (is_valid_utf8(run)) {
      result.push_back(run);
    } else {
      result.insert(result.end(), run.size(), std::string(kReplacement));
    }
    run.clear();
  };
  for (std::string& token : tokens) {
    if (const auto byte = byte_of(token)) {
      run += *byte;
    } else {
      flush();
      result.push_back(std::move(token));
    }
  }
  flush();
  tokens = std::move(result);
}

Decoder read_metaspace_decoder(Fields& fields) {
  const Metaspace options = read_metaspace(fields);
  return [options](Tokens& tokens) {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const bool drop = i == 0 && options.prepend != PrependScheme::never;
      std::string text;
      for (std::size_t at = 0; at < tokens[i].size();) {
        const char32_t character = next_character(tokens[i], at);
        if (character != options.replacement) {
          append_character(text, character);
        } else if (!drop) {
          text += ' ';
        }
      }
      tokens[i] = std::move(text);
    }
  };
}

Decoder read_replace(Fields& fields) {
  const Pattern pattern = read_pattern(fields.at("pattern"), fields.where("pattern"));
  return [pattern, content = fields.text("content")](Tokens& tokens) {
    for (std::string& token : tokens) {
      std::string text;
      for (const Span& span : pattern(token)) {
        text += span.match ? content : token.substr(span.begin, span.end - span.begin);
      }
      token = std::move(text);
    }
  };
}

Decoder read_strip(Fields& fields) {
  std::string mark;
  append_character(mark, fields.character("content"));
  const auto start = fields.number("start"), stop = fields.number("stop");
  return [mark, start, stop](Tokens& tokens) {
    for (std::string& token : tokens) {
      std::string_view text = token;
      for (std::int64_t i = 0; i < start && text.starts_with(mark); ++i) text.remove_prefix(mark.size());
      for (std::int64_t i = 0; i < stop && text.ends_with(mark); ++i) text.remove_suffix(mark.size());
      token = std::string(text);
    }
  };
}

Decoder read_sequence(Fields& fields) {
  std::vector<Decoder> steps;
  for (const Json& member : sequence_members(fields, "decoders")) {
    steps.push_back(read_decoder(member, fields.where("decoders") + "[" + std::to_string(steps.size()) + "]"));
  }
  return [steps](Tokens& tokens) {
    for (const Decoder& step : steps) {
      if (step) step(tokens);
    }
  };
}

Decoder read_byte_level(Fields& fields) {
  for (const char* key : {"add_prefix_space", "trim_offsets", "use_regex"}) fields.flag(key, true);  // of no effect
  return decode_byte_level;
}

Decoder read_typed(const std::string& type, Fields& fields) {
  if (type == "ByteLevel") return read_byte_level(fields);
  if (type == "ByteFallback") return decode_byte_fallback;
  if (type == "Fuse") return [](Tokens& tokens) { tokens = {joined(tokens)}; };
  if (type == "Metaspace") return read_metaspace_decoder(fields);
  if (type == "Replace") return read_replace(fields);
  if (type == "Strip") return read_strip(fields);
  if (type == "Sequence") return read_sequence(fields);
  fail_unsupported(fields.where("type"), formats::in_quotes(type) +
                                             " is not supported; ByteLevel, ByteFallback, Fuse, Metaspace, Replace, "
                                             "Strip and Sequence are");
}

}  // namespace

Decoder read_decoder(const Json& json, const std::string& where) {
  if (json.is_null()) return {};
  Fields fields(json, where);
  const Decoder result = read_typed(fields.text("type"), fields);
  fields.finish();
  return result;
}

}  // namespace retentive::models::detail
