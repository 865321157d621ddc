#include <bench/report/table.h>

#include <algorithm>

namespace retentive::bench {
namespace {

bool to_the_right(const std::string& header) { return header.starts_with('>'); }

std::string name_of(const std::string& header) { return header.substr(to_the_right(header) ? 1 : 0); }

// Reasons of failures may have several lines, a row has one.
std::string on_one_line(std::string cell) {
  std::ranges::replace_if(
      cell, [](unsigned char c) { return c < ' ' || c == 127; }, ' ');
  return cell;
}

std::string escaped_for_markdown(const std::string& cell) {
  std::string text;
  for (const char c : on_one_line(cell)) text += c == '|' ? std::string("\\|") : std::string(1, c);
  return text;
}

}  // namespace

std::string Table::text() const {
  std::vector<size_t> widths;
  for (size_t column = 0; column < header.size(); ++column) {
    widths.push_back(name_of(header[column]).size());
    for (const auto& row : rows) widths[column] = std::max(widths[column], row[column].size());
  }
  std::string out = title.empty() ? "" : title + "\n";
  const auto line = [&](const auto& cell_of) {
    std::string text;
    for (size_t column = 0; column < header.size(); ++column) {
      const std::string cell = on_one_line(cell_of(column));
      const std::string space(widths[column] - cell.size(), ' ');
      text += (column > 0 ? "  " : "") + (to_the_right(header[column]) ? space + cell : cell + space);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  };
  line([&](size_t column) { return name_of(header[column]); });
  for (const auto& row : rows) line([&](size_t column) { return row[column]; });
  return out + (note.empty() ? "" : note + "\n");
}

std::string Table::markdown() const {
  std::string out = title.empty() ? "" : "### " + title + "\n\n";
  const auto line = [&](const auto& cell_of) {
    out += "|";
    for (size_t column = 0; column < header.size(); ++column) out += " " + escaped_for_markdown(cell_of(column)) + " |";
    out += "\n";
  };
  line([&](size_t column) { return name_of(header[column]); });
  line([&](size_t column) { return std::string(to_the_right(header[column]) ? "---:" : "---"); });
  for (const auto& row : rows) line([&](size_t column) { return row[column]; });
  return out + (note.empty() ? "" : "\n" + note + "\n");
}

}  // namespace retentive::bench
