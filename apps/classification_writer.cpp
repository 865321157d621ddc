#include <apps/classification_writer.h>

#include <cstdio>
#include <string>

#include <nlohmann/json.hpp>

namespace retentive::apps {
namespace {

using models::Classification;

std::string percent(double probability) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f%%", 100 * probability);
  return text;
}

std::string text_line(const Classification& item) {
  std::string line = item.path + ":";
  for (size_t i = 0; i < item.top.size(); ++i) {
    line += (i == 0 ? " " : " | ") + item.top[i].label + " " + percent(item.top[i].probability);
  }
  return line;
}

std::string json_line(const Classification& item) {
  nlohmann::ordered_json record;
  record["path"] = item.path;
  if (item.error) {
    record["error"] = {{"type", item.error->type}, {"message", item.error->message}};
  } else {
    record["top"] = nlohmann::ordered_json::array();
    for (const auto& entry : item.top) {
      record["top"].push_back({{"index", entry.index}, {"label", entry.label}, {"prob", entry.probability}});
    }
  }
  // File names need not be UTF-8, JSON must.
  return record.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string csv_lines(const Classification& item) {
  const std::string path = csv_field(item.path);
  if (item.error) return path + ",,,,," + csv_field(item.error->type + ": " + item.error->message) + "\n";
  std::string lines;
  for (size_t i = 0; i < item.top.size(); ++i) {
    const auto& entry = item.top[i];
    lines += path + "," + std::to_string(i + 1) + "," + std::to_string(entry.index) + "," + csv_field(entry.label) +
             "," + nlohmann::json(entry.probability).dump() + ",\n";
  }
  return lines;
}

}  // namespace

ClassificationWriter::ClassificationWriter(RecordFormat format, std::ostream& out, std::ostream& errors)
    : format_(format), out_(out), errors_(errors) {
  if (format_ == RecordFormat::csv) out_ << "path,rank,index,label,prob,error\n";
}

void ClassificationWriter::write(const Classification& item) {
  if (format_ == RecordFormat::json) {
    out_ << json_line(item) << "\n";
  } else if (format_ == RecordFormat::csv) {
    out_ << csv_lines(item);
  } else if (item.error) {
    errors_ << "error: " << item.error->message << "\n";
  } else {
    out_ << text_line(item) << "\n";
  }
  out_.flush();
}

}  // namespace retentive::apps
