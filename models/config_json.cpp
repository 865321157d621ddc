#include <models/config_json.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>

#include <models/nearest.h>
#include <retention/base/byte_order_mark.h>

namespace retentive::models {
namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxFileBytes = 16u << 20;

// Values quoted in messages stay short whatever the file holds.
std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 80) text = text.substr(0, 77) + "...";
  return text;
}

// nlohmann keeps the last of two equal keys silently, so the parser events are checked as they come.
class StructureCheck {
 public:
  explicit StructureCheck(const std::string& where) : where_(where) {}

  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    if (depth > kMaxDepth) {
      throw ConfigError("[" + where_ + "] JSON is nested deeper than " + std::to_string(kMaxDepth) +
                        " levels; flatten it");
    }
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end) keys_.pop_back();
    if (event == Event::key && !keys_.back().insert(parsed.get<std::string>()).second) {
      throw ConfigError("[" + where_ + "] key " + shown(parsed) + " occurs twice in one object; keep one of them");
    }
    return true;
  }

 private:
  const std::string& where_;
  std::vector<std::set<std::string>> keys_;
};

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  try {
    // The parser copies its callback: a reference keeps the one state.
    StructureCheck check(where);
    return Json::parse(text.begin(), text.end(), std::ref(check));
  } catch (const Json::exception& error) {
    std::string reason = error.what();
    if (const auto end = reason.find("] "); end != std::string::npos) reason = reason.substr(end + 2);
    throw ConfigError("[" + where + "] not valid JSON: " + reason +
                      "; accepted: one JSON value in UTF-8 without comments");
  }
}

std::string read_config_text(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    throw ConfigError("[" + path + "] is a directory; give the path of a JSON file");
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) throw ConfigError("[" + path + "] cannot be opened; give the path of a readable JSON file");
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad()) throw ConfigError("[" + path + "] cannot be read; check the file and its disk");
  if (text.size() > kMaxFileBytes) {
    throw ConfigError("[" + path + "] is larger than 16 MB; a configuration is a few kilobytes of JSON");
  }
  return std::string(without_byte_order_mark(text));
}

namespace json_detail {

void refuse_value(const std::string& where, const std::string& key, const Json& value, const std::string& accepted) {
  throw ConfigError("[" + where + "] " + key + " is " + shown(value) + "; accepted: " + accepted +
                    "; change the value or leave the key out to get the default");
}

void refuse_key(const std::string& where, const std::string& section, const std::string& key,
                const std::vector<std::string>& known) {
  std::string list;
  for (const auto& name : known) list += (list.empty() ? "" : ", ") + name;
  const std::string place = section.empty() ? "" : " in section \"" + section + "\"";
  throw ConfigError("[" + where + "] unknown key " + shown(Json(key)) + place + "; did you mean \"" +
                    nearest_name(key, known) + "\"? Known keys: " + list);
}

int64_t read_integer(const Json& value, const std::string& where, const std::string& key) {
  constexpr uint64_t kLargest = std::numeric_limits<int64_t>::max();
  const bool too_large = value.is_number_unsigned() && value.get<uint64_t>() > kLargest;
  if (!value.is_number_integer() || too_large)
    refuse_value(where, key, value, "an integer from -9223372036854775808 to 9223372036854775807");
  return value.get<int64_t>();
}

double read_real(const Json& value, const std::string& where, const std::string& key) {
  if (!value.is_number() || !std::isfinite(value.get<double>())) refuse_value(where, key, value, "a finite number");
  return value.get<double>();
}

}  // namespace json_detail

std::string format_field_help(const std::vector<FieldHelp>& fields) {
  std::size_t width = 0;
  for (const auto& field : fields) width = std::max(width, field.path.size());
  std::ostringstream out;
  for (const auto& field : fields) {
    out << field.path << std::string(width - field.path.size() + 2, ' ') << field.help << " (default "
        << field.default_value << ")\n";
  }
  return out.str();
}

}  // namespace retentive::models
