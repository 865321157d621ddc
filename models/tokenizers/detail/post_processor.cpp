#include <algorithm>

#include <models/formats/message.h>
#include <models/tokenizers/detail/components.h>

namespace retentive::models::detail {
namespace {

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
    result.items.emplace_back(Fields(single, found.where()).number("ids"));
  }
}

// Of a template of two texts only this is of interest: the special token that stands alone between them.
std::optional<std::int64_t> token_between(const Json* pair, const Json& specials) {
  const auto is_text = [](const Json& piece) { return piece.is_object() && piece.contains("Sequence"); };
  if (pair == nullptr || !pair->is_array()) return std::nullopt;
  const auto first = std::find_if(pair->begin(), pair->end(), is_text);
  if (pair->end() - first < 3 || !is_text(first[2])) return std::nullopt;
  const Json::json_pointer name("/SpecialToken/id"), id("/ids/0"), more("/ids/1");
  if (!first[1].contains(name) || !first[1].at(name).is_string()) return std::nullopt;
  const auto found = specials.find(first[1].at(name).get<std::string>());
  if (found == specials.end() || !found->contains(id) || found->contains(more)) return std::nullopt;
  return found->at(id).is_number_integer() ? std::optional(found->at(id).get<std::int64_t>()) : std::nullopt;
}

Template read_template(Fields& fields) {
  Template result{.items = {}};
  const Json& specials = fields.at("special_tokens");
  if (!specials.is_object()) fail_malformed(fields.where("special_tokens"), "is no object");
  result.between = token_between(fields.find("pair"), specials);
  const std::string where = fields.where("single");
  for (const Json& piece : fields.array("single")) {
    Fields members(piece, where);
    if (const Json* special = members.find("SpecialToken")) {
      append_special(result, *special, specials, where);
    } else {
      Fields sequence(members.at("Sequence"), where);
      sequence.number("type_id");
      if (sequence.text("id") != "A") fail_malformed(where, "asks for a second text; only the sequence 'A' is there");
      result.items.emplace_back(std::nullopt);
    }
    members.finish();
  }
  return result;
}

// Puts one template into the place of the text in another.
Template nested(const Template& outer, const Template& inner) {
  Template result{.items = {}, .between = outer.between ? outer.between : inner.between};
  auto& items = result.items;
  for (const auto& item : outer.items) {
    if (item) {
      items.push_back(item);
    } else {
      items.insert(items.end(), inner.items.begin(), inner.items.end());
    }
    if (items.size() > 1024) fail_malformed("post_processor", "adds more than 1024 tokens");
  }
  return result;
}

Template read_sequence(Fields& fields) {
  Template result;
  std::size_t index = 0;
  for (const Json& member : sequence_members(fields, "processors")) {
    result =
        nested(read_post_processor(member, fields.where("processors") + "[" + std::to_string(index++) + "]"), result);
  }
  return result;
}

Template read_byte_level(Fields& fields) {
  for (const char* key : {"add_prefix_space", "trim_offsets", "use_regex"}) fields.flag(key, true);  // offsets only
  return {};
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
  if (json.is_null()) return {};
  Fields fields(json, where);
  Template result = read_typed(fields.text("type"), fields);
  fields.finish();
  return result;
}

}  // namespace retentive::models::detail
