#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace retentive::models::detail {

using Json = nlohmann::json;

/// Throws CheckpointError: a tokenizer file that contradicts its own format. `where` is "file: path.in.json".
[[noreturn]] void fail_malformed(const std::string& where, const std::string& what);
/// Throws Unsupported: a valid file that asks for what is not implemented.
[[noreturn]] void fail_unsupported(const std::string& where, const std::string& what);

/// The fields of one JSON object; remembers which were asked for, so that no unknown one is passed over.
class Fields {
 public:
  /// Throws CheckpointError unless `json` is an object.
  Fields(const Json& json, std::string where);

  /// "file: path.key"; the object at the root is "file:".
  std::string where(std::string_view key) const {
    return where_ + (where_.ends_with(':') ? " " : ".") + std::string(key);
  }
  const std::string& where() const { return where_; }

  /// Null when absent or null.
  const Json* find(std::string_view key);
  const Json& at(std::string_view key);
  std::string text(std::string_view key);
  std::optional<std::string> optional_text(std::string_view key);
  bool flag(std::string_view key, bool otherwise);
  bool flag(std::string_view key);
  std::int64_t number(std::string_view key);
  /// A text of one character.
  char32_t character(std::string_view key);
  const Json& array(std::string_view key);

  /// Throws Unsupported naming a field that nothing asked for.
  void finish() const;

 private:
  const Json& json_;
  std::string where_;
  std::set<std::string, std::less<>> used_;
};

}  // namespace retentive::models::detail
