#include <models/labels.h>

#include <fstream>
#include <sstream>

#include <models/label_data.h>
#include <retention/base/byte_order_mark.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

std::vector<std::string> split_lines(std::istream& in, const std::string& where) {
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (line.ends_with('\r')) line.pop_back();
    lines.emplace_back(lines.empty() ? without_byte_order_mark(line) : line);
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!lines[i].empty()) continue;
    throw DataError("[" + where + "] line " + std::to_string(i + 1) +
                    " is empty; accepted: one class name a line in order of class index");
  }
  return lines;
}

// Length of the UTF-8 sequence that starts with `lead`; 0 for a byte that starts none.
std::size_t sequence_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return 2;
  if (lead >= 0xE0 && lead < 0xF0) return 3;
  return lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = sequence_length(static_cast<unsigned char>(text[i]));
    if (length == 0 || i + length > text.size()) return false;
    for (std::size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return false;
    }
    i += length;
  }
  return true;
}

}  // namespace

std::vector<std::string> label_set(std::string_view name) {
  if (name.empty()) return {};
  if (name == "digits") return {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  if (name == "imagenet1k") {
    std::istringstream text{std::string(imagenet1k_text())};
    return split_lines(text, "imagenet1k");
  }
  if (name == "coco") {
    std::istringstream text{std::string(coco_text())};
    return split_lines(text, "coco");
  }
  throw ConfigError(
      "[labels] there is no label set \"" + std::string(name) +
      "\"; accepted: \"imagenet1k\" | \"coco\" | \"digits\"; for other classes give a file with one name a line");
}

std::vector<std::string> read_labels(const std::filesystem::path& path) {
  const std::string where = path.string();
  std::error_code error;
  std::ifstream file(path, std::ios::binary);
  if (std::filesystem::is_directory(path, error) || !file) {
    throw DataError("[" + where + "] cannot be read; give a text file with one class name a line");
  }
  auto lines = split_lines(file, where);
  if (lines.empty()) throw DataError("[" + where + "] has no class names; give a text file with one name a line");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (is_utf8(lines[i])) continue;
    throw DataError("[" + where + "] line " + std::to_string(i + 1) + " is not UTF-8; save the file as UTF-8");
  }
  return lines;
}

}  // namespace retentive::models
