#include <bench/report/html.h>

#include <algorithm>

#include <bench/report/analysis.h>
#include <bench/report/charts_of_results.h>
#include <bench/report/format.h>
#include <bench/report/style.h>
#include <bench/report/svg.h>
#include <bench/report/tables.h>
#include <bench/report/tasks.h>

namespace retentive::bench {
namespace {

std::string paragraph(const std::string& text, const char* style = "") {
  return std::string("<p") + (*style == 0 ? "" : std::string(" class=\"") + style + "\"") + ">" + escaped(text) +
         "</p>\n";
}

std::string table_html(const Table& table) {
  const auto right = [&](size_t column) { return table.header[column].starts_with('>') ? " class=\"r\"" : ""; };
  std::string html = "<h3>" + escaped(table.title) + "</h3>\n<div class=\"scroll\"><table><tr>";
  for (size_t column = 0; column < table.header.size(); ++column) {
    const auto name = table.header[column].substr(*right(column) == 0 ? 0 : 1);
    html += std::string("<th") + right(column) + ">" + escaped(name) + "</th>";
  }
  html += "</tr>\n";
  for (const auto& row : table.rows) {
    html += "<tr>";
    for (size_t column = 0; column < row.size(); ++column) {
      html += std::string("<td") + right(column) + ">" + escaped(row[column]) + "</td>";
    }
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

std::string sentence(const Series& series, const PowerLaw& law, const char* what) {
  return series.label + ": " + what + " grows as tokens to the power " + exponent_text(law);
}

struct Fastest {
  const Series* series = nullptr;
  const Cell* cell = nullptr;
};

// The fastest series at the size of `place`.
Fastest fastest_at(const std::vector<Series>& series, const Cell& place) {
  Fastest best;
  for (const auto& one : series) {
    for (const auto* cell : one.cells) {
      if (!same_input(*cell, place) ||
          (best.cell != nullptr && quartiles_of(*best.cell).median <= quartiles_of(*cell).median))
        continue;
      best = {&one, cell};
    }
  }
  return best;
}

// Who is the fastest at the smallest and at the largest size, where there are several.
std::vector<std::string> fastest(const std::vector<Series>& series) {
  const auto size = [](const Cell* cell) { return cell->height > 0 ? cell->height * cell->width : cell->tokens; };
  std::vector<const Cell*> cells;
  for (const auto& one : series) cells.insert(cells.end(), one.cells.begin(), one.cells.end());
  if (series.size() < 2 || cells.empty()) return {};
  const auto [smallest, largest] = std::ranges::minmax_element(cells, {}, size);
  if (size(*smallest) == size(*largest)) return {};
  std::vector<std::string> lines;
  for (const auto* place : {*smallest, *largest}) {
    const auto where = place_of(*place) + (place->height > 0 ? " pixels" : "");
    const auto best = fastest_at(series, *place);
    lines.push_back("Fastest at " + where + ": " + best.series->label +
                    format(", %.4g ms", quartiles_of(*best.cell).median));
  }
  return lines;
}

std::string findings(const std::vector<Series>& series) {
  auto lines = fastest(series);
  for (const auto& one : series) {
    const auto scaling = scaling_of(one);
    if (scaling.time) lines.push_back(sentence(one, *scaling.time, "time"));
    if (scaling.memory) lines.back() += ", memory to the power " + hundredths(scaling.memory->exponent);
  }
  for (const auto& crossing : crossovers(series)) {
    lines.push_back(crossing.after->label + " overtakes " + crossing.before->label +
                    (crossing.pixels > 0 ? format(" at a side of %.0f pixels", crossing.pixels)
                                         : format(" at %.0f tokens", crossing.tokens)));
  }
  constexpr size_t kShown = 8;
  const auto list = [&](size_t from, size_t to) {
    std::string html = "<ul>\n";
    for (size_t i = from; i < to; ++i) html += "<li>" + escaped(lines[i]) + ".</li>\n";
    return html + "</ul>\n";
  };
  if (lines.empty()) return "";
  const auto shown = std::min(lines.size(), kShown);
  if (shown == lines.size()) return list(0, shown);
  return list(0, shown) + "<details><summary>" + std::to_string(lines.size() - shown) + " more</summary>\n" +
         list(shown, lines.size()) + "</details>\n";
}

std::string figure(const Figure& picture) {
  const auto caption = picture.caption.empty() ? "" : "<figcaption>" + escaped(picture.caption) + "</figcaption>";
  std::string keys;
  for (const auto& key : picture.keys) {
    keys += "<span class=\"s" + std::to_string(key.colour % 8) + "\">" + escaped(key.label) + "</span> ";
  }
  if (!keys.empty()) keys = "<p class=\"keys\">" + keys + "</p>";
  return "<figure><h3>" + escaped(picture.title) + "</h3>" + keys + "<div class=\"scroll\">" + picture.svg + "</div>" +
         caption + "</figure>\n";
}

// Results of several files may be of one task: their models tell them apart.
std::string heading(const TaskWords& task, const std::vector<Series>& series) {
  std::vector<std::string> models;
  for (const auto& one : series) {
    const auto& model = one.front().model;
    if (std::ranges::find(models, model) == models.end()) models.push_back(model);
  }
  std::string text = task.heading;
  for (const auto& model : models) text += (&model == &models.front() ? ": " : ", ") + model;
  return text;
}

std::string task_section(const Results& results, const TaskWords& task) {
  const auto series = series_of(results, task.task);
  if (series.empty()) return "";
  auto html = "<h2>" + escaped(heading(task, series)) + "</h2>\n" + paragraph(task.says) + findings(series);
  for (const auto& picture : figures_of(results, series)) html += figure(picture);
  return html;
}

std::string details(const Results& results) {
  std::string html = "<details><summary>Every number</summary>\n";
  for (const auto& table : results_tables(results)) html += table_html(table);
  return html + "</details>\n" + paragraph(results_conditions(results), "dim") + "<p class=\"dim\"><code>" +
         escaped(results.command) + "</code></p>\n";
}

std::string how_to_read() {
  return "<h2>How to read this</h2>\n" +
         paragraph(
             "A point is the median of all repetitions of one cell, the bar through it reaches from the first to "
             "the third quartile. Both axes are logarithmic: a power law is a straight line, and its exponent is "
             "the slope. Exponent 1: four times the tokens take four times as long. Exponent 2: sixteen times. "
             "Intervals are 95 % ones of a least-squares line in logarithms; they say how straight the line is, "
             "not how the machine varies. Working memory is the peak of the process beyond what was resident "
             "before its first pass: libraries, weights and input do not count. A circle marks where two lines "
             "cross.");
}

}  // namespace

std::string report_html(const std::vector<Results>& results) {
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<title>retentive: cost against size</title>\n<style>" +
      std::string(kStyle) + "</style></head><body>\n<h1>How cost grows with size</h1>\n";
  if (!results.empty()) html += paragraph(results_conditions(results.front()), "dim");
  for (const auto& part : results) {
    for (const auto& task : kTasks) html += task_section(part, task);
  }
  html += how_to_read() + "<h2>Tables</h2>\n";
  for (const auto& part : results) html += details(part);
  return html + "</body></html>\n";
}

}  // namespace retentive::bench
