#include <models/tokenizers/detail/regex_property.h>

#include <algorithm>
#include <array>
#include <string_view>

#include <models/tokenizers/detail/regex.h>
#include <retention/base/error.h>

namespace retentive::models::detail {
namespace {

constexpr std::array<std::string_view, 38> kCategories = {
    "L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N",  "Nd", "Nl", "No", "P",  "Pc", "Pd", "Ps", "Pe",
    "Pi", "Pf", "Po", "S",  "Sm", "Sc", "Sk", "So", "Z",  "Zs", "Zl", "Zp", "C",  "Cc", "Cf", "Co", "Cn", "Cs", "Any"};

constexpr std::string_view kNameCharacters = "_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

}  // namespace

std::optional<std::string> pcre_property(const std::string& name) {
  if (std::find(kCategories.begin(), kCategories.end(), name) != kCategories.end()) return name;
  if (name.empty() || name.find_first_not_of(kNameCharacters) != name.npos) return std::nullopt;
  const std::string script = "sc:" + name;
  try {
    Regex("\\p{" + script + "}");
  } catch (const CheckpointError&) {
    return std::nullopt;
  }
  return script;
}

}  // namespace retentive::models::detail
