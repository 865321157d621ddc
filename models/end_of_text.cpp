#include <models/detail/end_of_text.h>

#include <models/config_json.h>

namespace retentive::models {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 2> kIdFiles = {"generation_config.json", "config.json"};
constexpr std::array<const char*, 2> kNameFiles = {"tokenizer_config.json", "special_tokens_map.json"};

// The value of `key` in a file of the folder; null when the file is not there or does not say.
Json value_of(const fs::path& file, const char* key) {
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return {};
  const auto object = parse_json(read_config_text(file.string()), file.string());
  if (!object.is_object()) throw ConfigError("[" + file.string() + "] is not a JSON object; get the file again");
  const auto found = object.find(key);
  return found == object.end() ? Json() : *found;
}

std::vector<int64_t> token_ids(const Json& value, const std::string& where) {
  if (value.is_null()) return {};
  if (value.is_array()) return from_json_value<std::vector<int64_t>>(value, {}, where, "eos_token_id");
  return {from_json_value<int64_t>(value, 0, where, "eos_token_id")};
}

// Names of tokens; each is a text or an object that describes the token.
std::vector<std::string> token_names(const Json& value, const std::string& where) {
  if (value.is_null()) return {};
  std::vector<std::string> names;
  for (const auto& item : value.is_array() ? value : Json::array({value})) {
    const auto content = item.is_object() ? item.value("content", Json()) : item;
    names.push_back(from_json_value<std::string>(content, {}, where, "eos_token"));
  }
  return names;
}

}  // namespace

std::vector<int64_t> detail::end_of_text_ids(const fs::path& folder, const Tokenizer* tokenizer, int64_t vocab_size,
                                             std::vector<std::string>& warnings) {
  std::vector<int64_t> ids;
  for (const char* name : kIdFiles) {
    const auto file = folder / name;
    for (const auto id : token_ids(value_of(file, "eos_token_id"), file.string())) {
      if (id >= 0 && id < vocab_size) {
        ids.push_back(id);
      } else {
        warnings.push_back("eos_token_id " + std::to_string(id) + " of " + file.string() +
                           " is left out: the vocabulary has the ids 0 to " + std::to_string(vocab_size - 1));
      }
    }
    if (!ids.empty()) return ids;
  }
  for (const char* name : kNameFiles) {
    const auto file = folder / name;
    if (tokenizer == nullptr) break;
    for (const auto& token : token_names(value_of(file, "eos_token"), file.string())) {
      if (const auto id = tokenizer->token_to_id(token); id && *id < vocab_size) {
        ids.push_back(*id);
      } else {
        warnings.push_back("eos_token \"" + token + "\" of " + file.string() +
                           " is left out: the model has no such token");
      }
    }
    if (!ids.empty()) return ids;
  }
  return ids;
}

}  // namespace retentive::models
