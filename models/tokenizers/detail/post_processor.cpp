#include <models/formats/message.h>
#include <models/tokenizers/detail/components.h>

namespace retentive::models::detail {
namespace {

Template text_alone() { return {std::nullopt}; }

// {"SpecialToken": {"id": NAME}} -> the ids of NAME under special_tokens.
void append_special(Template& result, const Json& piece, const Json& specials, const std::string& where) {
  Fields fields(piece, where);
  const std::string name = fields.text("id");
  fields.number("type_id");
  fields.finish();
  const auto special = specials.find(name);
  if (special == specials.end()) {
    fail_malformed(where, "names " + formats::in_quotes(name) + ", which special_tokens does not have");
  }
  Fields found(*special, where + ".special_tokens");
  for (const Json& id : found.array("ids")) {
    const Json single = {{"ids", id}};
    result.emplace_back(Fields(single, found.where()).number("ids"));
  }
}

Template read_template(Fields& fields) {
  Template result;
  const Json& specials = fields.at("special_tokens");
  if (!specials.is_object()) fail_malformed(fields.where("special_tokens"), "is no object");
  fields.find("pair");  // for two texts at once, which nothing here encodes
  const std::string where = fields.where("single");
  for (const Json& piece : fields.array("single")) {
    Fields members(piece, where);
    if (const Json* special = members.find("SpecialToken")) {
      append_special(result, *special, specials, where);
    } else {
      Fields sequence(members.at("Sequence"), where);
      sequence.number("type_id");
      if (sequence.text("id") != "A") fail_malformed(where, "asks for a second text; only the sequence 'A' is there");
      result.emplace_back(std::nullopt);
    }
    members.finish();
  }
  return result;
}

// Puts one template into the place of the text in another.
Template nested(const Template& outer, const Template& inner) {
  Template result;
  for (const auto& item : outer) {
    if (item) {
      result.push_back(item);
    } else {
      result.insert(result.end(), inner.begin(), inner.end());
    }
    if (result.size() > 1024) fail_malformed("post_processor", "adds more than 1024 tokens");
  }
  return result;
}

Template read_sequence(Fields& fields) {
  Template result = text_alone();
  std::size_t index = 0;
  for (const Json& member : sequence_members(fields, "processors")) {
    result =
        nested(read_post_processor(member, fields.where("processors") + "[" + std::to_string(index++) + "]"), result);
  }
  return result;
}

Template read_byte_level(Fields& fields) {
  for (const char* key : {"add_prefix_space", "trim_offsets", "use_regex"}) fields.flag(key, true);  // offsets only
  return text_alone();
}

Template read_typed(const std::string& type, Fields& fields) {
  if (type == "TemplateProcessing") return read_template(fields);
  if (type == "ByteLevel") return read_byte_level(fields);
  if (type == "Sequence") return read_sequence(fields);
  fail_unsupported(fields.where("type"),
                   formats::in_quotes(type) + " is not supported; TemplateProcessing, ByteLevel and Sequence are");
}

}  // namespace

Template read_post_processor(const Json& json, const std::string& where) {
  if (json.is_null()) return text_alone();
  Fields fields(json, where);
  Template result = read_typed(fields.text("type"), fields);
  fields.finish();
  return result;
}

}  // namespace retentive::models::detail
