#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <models/config.h>
#include <retention/base/enum_names.h>
#include <retention/base/error.h>
#include <retention/base/export.h>

// JSON <-> structs that list their fields in `static visit(self, f)` with f(name, field, help).
// Read with read_json_fields(), write with to_json_value(); every ConfigError names file, key, value and fix.
namespace retentive::models {

using Json = nlohmann::ordered_json;

/// Parses JSON text: duplicate keys, comments and more than 64 levels are refused. Throws ConfigError.
RETENTIVE_API Json parse_json(std::string_view text, const std::string& where);

/// Reads a whole text file of at most 16 MB. Throws ConfigError.
RETENTIVE_API std::string read_config_text(const std::string& path);

/// The JSON form of a model configuration, `family` first.
RETENTIVE_API Json model_config_to_json(const ModelConfig& config);

/// The inverse, validated; `section` is the path of the object in the file, empty at the top. Throws ConfigError.
RETENTIVE_API ModelConfig model_config_from_json(const Json& object, const std::string& where,
                                                 const std::string& section = "");

/// The same for the backbone inside a detector, which by default has no head.
RETENTIVE_API Json backbone_config_to_json(const vision::BackboneConfig& config);
RETENTIVE_API vision::BackboneConfig backbone_config_from_json(const Json& object, const std::string& where,
                                                               const std::string& section);

namespace json_detail {

struct NoVisit {
  template <class T>
  void operator()(const char*, T&&, const char*) const {}
};

template <class T>
concept Visitable = requires(T& value) {
  T::visit(value, NoVisit{});
};

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};

template <class T>
struct IsArray : std::false_type {};
template <class T, std::size_t N>
struct IsArray<std::array<T, N>> : std::true_type {};

/// Throws `[where] key is value; accepted: ...; set it to one of these`.
[[noreturn]] RETENTIVE_API void refuse_value(const std::string& where, const std::string& key, const Json& value,
                                             const std::string& accepted);
[[noreturn]] RETENTIVE_API void refuse_key(const std::string& where, const std::string& section, const std::string& key,
                                           const std::vector<std::string>& known);

RETENTIVE_API int64_t read_integer(const Json& value, const std::string& where, const std::string& key);
RETENTIVE_API double read_real(const Json& value, const std::string& where, const std::string& key);

}  // namespace json_detail

/// Field names of a visitable struct, in order.
template <class T>
std::vector<std::string> field_names() {
  std::vector<std::string> names;
  T value{};
  T::visit(value, [&names](const char* name, auto&, const char*) { names.emplace_back(name); });
  return names;
}

template <class T>
Json to_json_value(const T& value) {
  if constexpr (std::is_same_v<T, ModelConfig>) {
    return model_config_to_json(value);
  } else if constexpr (std::is_same_v<T, vision::BackboneConfig>) {
    return backbone_config_to_json(value);
  } else if constexpr (json_detail::Visitable<const T>) {
    Json object = Json::object();
    T::visit(value,
             [&object](const char* name, const auto& field, const char*) { object[name] = to_json_value(field); });
    return object;
  } else if constexpr (json_detail::IsOptional<T>::value) {
    return value ? to_json_value(*value) : Json(nullptr);
  } else if constexpr (json_detail::IsVector<T>::value || json_detail::IsArray<T>::value) {
    Json array = Json::array();
    for (std::size_t i = 0; i < value.size(); ++i) array.push_back(to_json_value<typename T::value_type>(value[i]));
    return array;
  } else if constexpr (std::is_enum_v<T>) {
    return Json(std::string(enum_name(value)));
  } else {
    return Json(value);
  }
}

template <class T>
void read_json_fields(const Json& object, T& target, const std::string& where, const std::string& section = "");

/// Reads one value; `key` is its full path in the file ("optimizer.lr").
template <class T>
T from_json_value(const Json& value, T current, const std::string& where, const std::string& key) {
  if constexpr (std::is_same_v<T, ModelConfig>) {
    return model_config_from_json(value, where, key);
  } else if constexpr (std::is_same_v<T, vision::BackboneConfig>) {
    return backbone_config_from_json(value, where, key);
  } else if constexpr (json_detail::Visitable<T>) {
    read_json_fields(value, current, where, key);
    return current;
  } else if constexpr (json_detail::IsOptional<T>::value) {
    using Item = typename T::value_type;
    if (value.is_null()) return std::nullopt;
    return from_json_value<Item>(value, current ? *current : Item{}, where, key);
  } else if constexpr (json_detail::IsVector<T>::value) {
    using Item = typename T::value_type;
    if (!value.is_array()) json_detail::refuse_value(where, key, value, "a list");
    T items;
    for (std::size_t i = 0; i < value.size(); ++i) {
      items.push_back(from_json_value<Item>(value[i], Item{}, where, key + "[" + std::to_string(i) + "]"));
    }
    return items;
  } else if constexpr (json_detail::IsArray<T>::value) {
    if (!value.is_array() || value.size() != current.size()) {
      json_detail::refuse_value(where, key, value, "a list of " + std::to_string(current.size()) + " values");
    }
    for (std::size_t i = 0; i < current.size(); ++i) {
      current[i] = from_json_value(value[i], current[i], where, key + "[" + std::to_string(i) + "]");
    }
    return current;
  } else if constexpr (std::is_enum_v<T>) {
    const auto parsed = value.is_string() ? enum_value<T>(value.template get_ref<const std::string&>()) : std::nullopt;
    if (!parsed) json_detail::refuse_value(where, key, value, enum_choices<T>());
    return *parsed;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!value.is_boolean()) json_detail::refuse_value(where, key, value, "true | false");
    return value.template get<bool>();
  } else if constexpr (std::is_integral_v<T>) {
    const int64_t number = json_detail::read_integer(value, where, key);
    if (!std::in_range<T>(number))
      json_detail::refuse_value(where, key, value, "an integer within the range of the field");
    return static_cast<T>(number);
  } else if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(json_detail::read_real(value, where, key));
  } else {
    static_assert(std::is_same_v<T, std::string>, "this type of field has no JSON form");
    if (!value.is_string()) json_detail::refuse_value(where, key, value, "a text in double quotes");
    return value.template get<std::string>();
  }
}

/// Reads an object into `target`: absent keys keep its values, unknown ones are refused with the nearest known name.
/// `section` is the path of the object inside the file; empty at the top.
template <class T>
void read_json_fields(const Json& object, T& target, const std::string& where, const std::string& section) {
  if (!object.is_object()) {
    json_detail::refuse_value(where, section.empty() ? "the whole file" : section, object, "an object in braces");
  }
  const auto known = field_names<T>();
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      json_detail::refuse_key(where, section, key, known);
    }
  }
  T::visit(target, [&](const char* name, auto& field, const char*) {
    const auto found = object.find(name);
    if (found == object.end()) return;
    field = from_json_value(*found, field, where, section.empty() ? name : section + "." + name);
  });
}

/// One field as documentation: its path, default in JSON and help; nested sections are expanded.
struct FieldHelp {
  std::string path;
  std::string default_value;
  std::string help;
};

template <class T>
void append_field_help(const T& defaults, const std::string& section, std::vector<FieldHelp>& out) {
  T::visit(defaults, [&]<class Field>(const char* name, const Field& field, const char* help) {
    const std::string path = section.empty() ? name : section + "." + name;
    if constexpr (json_detail::Visitable<Field>) {
      append_field_help(field, path, out);
    } else {
      out.push_back({path, to_json_value(field).dump(), help});
    }
  });
}

/// Lines `path (default): help`, aligned.
RETENTIVE_API std::string format_field_help(const std::vector<FieldHelp>& fields);

}  // namespace retentive::models
