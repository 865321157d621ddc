#include <models/formats/message.h>
#include <models/tokenizers/detail/fields_json.h>
#include <models/tokenizers/detail/utf8.h>
#include <retention/base/error.h>

namespace retentive::models::detail {

void fail_malformed(const std::string& where, const std::string& what) {
  throw CheckpointError("[tokenizer] " + where + " " + what);
}

void fail_unsupported(const std::string& where, const std::string& what) {
  throw Unsupported("[tokenizer] " + where + " " + what);
}

Fields::Fields(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
  if (!json.is_object()) fail_malformed(where_, "is " + std::string(json.type_name()) + "; an object is accepted");
}

const Json* Fields::find(std::string_view key) {
  used_.emplace(key);
  const auto found = json_.find(std::string(key));
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

const Json& Fields::at(std::string_view key) {
  const Json* value = find(key);
  if (value == nullptr) fail_malformed(where(key), "is missing; get the file again");
  return *value;
}

std::string Fields::text(std::string_view key) {
  const Json& value = at(key);
  if (!value.is_string()) fail_malformed(where(key), "is " + std::string(value.type_name()) + "; a text is accepted");
  return value.get<std::string>();
}

std::optional<std::string> Fields::optional_text(std::string_view key) {
  if (find(key) == nullptr) return std::nullopt;
  return text(key);
}

bool Fields::flag(std::string_view key) {
  const Json& value = at(key);
  if (!value.is_boolean()) {
    fail_malformed(where(key), "is " + std::string(value.type_name()) + "; true or false is accepted");
  }
  return value.get<bool>();
}

bool Fields::flag(std::string_view key, bool otherwise) { return find(key) == nullptr ? otherwise : flag(key); }

std::int64_t Fields::number(std::string_view key) {
  constexpr std::int64_t kLargest = (std::int64_t{1} << 31) - 1;
  const Json& value = at(key);
  // Unsigned first: a number beyond int64 must not wrap.
  const bool fits = value.is_number_unsigned() && value.get<std::uint64_t>() <= std::uint64_t{kLargest};
  if (!fits) fail_malformed(where(key), "is " + value.dump() + "; a whole number from 0 to 2147483647 is accepted");
  return value.get<std::int64_t>();
}

char32_t Fields::character(std::string_view key) {
  const std::string value = text(key);
  std::size_t end = 0;
  const char32_t result = value.empty() ? 0 : next_character(value, end);
  if (value.empty() || end != value.size()) {
    fail_malformed(where(key), "is " + formats::in_quotes(value) + "; one character is accepted");
  }
  return result;
}

const Json& Fields::array(std::string_view key) {
  const Json& value = at(key);
  if (!value.is_array()) fail_malformed(where(key), "is " + std::string(value.type_name()) + "; a list is accepted");
  return value;
}

void Fields::finish() const {
  for (const auto& [key, value] : json_.items()) {
    if (!used_.contains(key)) {
      fail_unsupported(where_, "has a field " + formats::in_quotes(key) +
                                   " that is not known; remove it, or convert the "
                                   "tokenizer with a library that knows it");
    }
  }
}

}  // namespace retentive::models::detail
