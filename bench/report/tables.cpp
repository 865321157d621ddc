#include <bench/report/tables.h>

#include <algorithm>
#include <cmath>

#include <bench/report/analysis.h>
#include <bench/report/format.h>
#include <bench/report/table.h>
#include <retention/base/op_profile.h>

namespace retentive::bench {
namespace {

constexpr const char* kTasks[][2] = {{"image", "Images: one forward pass"},
                                     {"training", "Training: one step"},
                                     {"prefill", "Text: reading a prompt"},
                                     {"decode", "Text: one decoding step"}};

// Three digits that count.
std::string number(double value) {
  if (value == 0 || !std::isfinite(value)) return "-";
  const int digits = std::max(0, 2 - static_cast<int>(std::floor(std::log10(std::abs(value)))));
  return format("%.*f", digits, value);
}

std::string percent(double share) { return share > 0 ? format("%.0f %%", 100 * share) : "-"; }

std::string size_of(const Cell& cell) { return cell.height > 0 ? size_text(cell.height, cell.width) : "-"; }

Table cells_table(const Results& results, const char* task, const char* title) {
  const std::string name = task;
  const bool images = name == "image" || name == "training", text = name == "prefill" || name == "decode";
  Table table{.title = title,
              .header = {"model", "form", "precision", ">size", ">tokens", ">batch", ">ms", ">IQR", ">items/s",
                         ">peak MB", ">working MB"}};
  if (images) table.header.insert(table.header.end(), {">GMAC", ">GMAC/s", ">of peak"});
  if (text) table.header.insert(table.header.end(), {">state MB", ">of bandwidth"});
  for (const auto& cell : results.cells) {
    if (cell.task != name || !cell.ran()) continue;
    const auto quartiles = quartiles_of(cell);
    const auto instances = cell.instances > 1 ? " x " + std::to_string(cell.instances) : "";
    auto& row = table.rows.emplace_back(std::vector<std::string>{
        cell.model + instances, cell.form, cell.precision, size_of(cell), std::to_string(cell.tokens),
        std::to_string(cell.batch), number(quartiles.median), number(quartiles.q3 - quartiles.q1),
        number(items_per_s(cell)), number(cell.peak_rss_mb), number(working_mb(cell))});
    if (images) {
      row.insert(row.end(), {number(cell.gmacs), number(gmacs_per_s(cell)), percent(peak_share(results, cell))});
    }
    if (text) row.insert(row.end(), {number(cell.state_mb), percent(bandwidth_share(results, cell))});
  }
  return table;
}

Table skipped_table(const Results& results) {
  Table table{.title = "Not run", .header = {"model", "form", "precision", ">size", ">tokens", "why"}};
  for (const auto& cell : results.cells) {
    if (cell.ran()) continue;
    table.rows.push_back(
        {cell.model, cell.form, cell.precision, size_of(cell), std::to_string(cell.tokens), cell.skipped});
  }
  return table;
}

std::string exponent(const std::optional<PowerLaw>& law) {
  return law ? format("%.2f (%.2f to %.2f)", law->exponent, law->low, law->high) : "-";
}

Table exponents_table(const std::vector<Series>& series) {
  Table table{.title = "Exponents against tokens, with 95 % intervals",
              .header = {"series", ">points", ">time", ">working memory"}};
  for (const auto& one : series) {
    const auto scaling = scaling_of(one);
    if (!scaling.time) continue;
    table.rows.push_back(
        {one.label, std::to_string(scaling.time->points), exponent(scaling.time), exponent(scaling.memory)});
  }
  return table;
}

Table crossovers_table(const std::vector<Series>& series) {
  Table table{.title = "Crossovers", .header = {"faster below", "faster above", ">side", ">tokens"}};
  for (const auto& crossing : crossovers(series)) {
    table.rows.push_back({crossing.before->label, crossing.after->label,
                          crossing.pixels > 0 ? format("%.0f", crossing.pixels) : "-",
                          format("%.0f", crossing.tokens)});
  }
  return table;
}

Table speed_ups_table(const std::vector<Series>& series) {
  Table table{.title = "Times as fast as attention", .header = {"series", "attention", ">size", ">tokens", ">ratio"}};
  for (const auto& speed : speed_ups(series)) {
    for (const auto& [cell, ratio] : speed.ratios) {
      table.rows.push_back({speed.series->label, speed.baseline->label, size_of(*cell), std::to_string(cell->tokens),
                            format("%.2f", ratio)});
    }
  }
  return table;
}

bool is_stage(const OperationCost& operation) { return operation.name.starts_with(kStagePrefix); }

// Of one cell: the parts of a model, or the operations.
Table operations_table(const Cell& cell, bool stages) {
  Table table{.title = stages ? "Stages" : "Operations",
              .header = {stages ? "stage" : "operation", ">ms", ">share", ">calls", ">GMAC/s", ">GB/s"}};
  const double total = quartiles_of(cell).median;
  double sum = 0;
  for (const auto& operation : cell.operations) {
    if (is_stage(operation) != stages) continue;
    sum += operation.milliseconds;
    const auto name = stages ? operation.name.substr(std::string_view(kStagePrefix).size()) : operation.name;
    table.rows.push_back({name, format("%.3f", operation.milliseconds), percent(operation.milliseconds / total),
                          std::to_string(operation.calls), number(1e3 * operation.gmacs / operation.milliseconds),
                          number(1e3 * operation.gigabytes / operation.milliseconds)});
  }
  if (!stages && !table.rows.empty()) {
    table.rows.push_back({"between operations", format("%.3f", total - sum), percent(1 - sum / total), "", "", ""});
  }
  return table;
}

std::string quoted(const std::string& field) {
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string text = "\"";
  for (const char c : field) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + "\"";
}

}  // namespace

std::vector<Table> results_tables(const Results& results) {
  std::vector<Table> tables;
  const auto add = [&](Table table) {
    if (!table.rows.empty()) tables.push_back(std::move(table));
  };
  for (const auto& [task, title] : kTasks) {
    add(cells_table(results, task, title));
    const auto series = series_of(results, task);
    for (auto table : {exponents_table(series), crossovers_table(series), speed_ups_table(series)}) {
      if (!table.rows.empty()) table.title = std::string(title) + ". " + table.title;
      add(std::move(table));
    }
  }
  add(skipped_table(results));
  if (results.cells.size() == 1 && results.cells.front().ran()) {
    add(operations_table(results.cells.front(), /*stages=*/true));
    add(operations_table(results.cells.front(), /*stages=*/false));
  }
  return tables;
}

std::string results_conditions(const Results& results) {
  const auto& machine = results.machine;
  auto text =
      machine.cpu + ", " + machine.isa + ", " + std::to_string(results.threads) + " threads of " +
      std::to_string(machine.cores) + " cores, load " + format("%.1f", machine.load) +
      format(", cache line between cores in %.0f ns (%s)", machine.pingpong_ns, cache_state(machine.pingpong_ns));
  for (const auto& [precision, peak] : results.peak_gmacs_per_s) {
    text += format("; peak of products %.0f GMAC/s in ", peak) + precision;
  }
  if (results.read_gb_per_s > 0) text += format("; memory read at %.1f GB/s", results.read_gb_per_s);
  return text + "; retentive " + machine.retentive + " (" + results.commit + "), LibTorch " + machine.libtorch +
         ", oneDNN " + machine.onednn + "; " + results.created;
}

std::string results_text(const Results& results) {
  std::string text;
  for (const auto& table : results_tables(results)) text += table.text() + "\n";
  for (const auto& cell : results.cells) {
    if (results.cells.size() == 1 && cell.deviation > 0) {
      text += format("deviates from the plain model by %.1e\n", cell.deviation);
    }
  }
  return text + results_conditions(results) + "\n";
}

std::string results_markdown(const Results& results) {
  std::string text;
  for (const auto& table : results_tables(results)) text += table.markdown() + "\n";
  return text + "Conditions: " + results_conditions(results) + ". `" + results.command + "`\n";
}

std::string results_csv(const Results& results) {
  std::string text =
      "task,model,mixer,form,precision,height,width,batch,instances,tokens,runs,median_ms,q1_ms,q3_ms,items_per_s,"
      "gmacs,gmacs_per_s,peak_share,bandwidth_share,state_mb,peak_rss_mb,working_mb,deviation,skipped\r\n";
  const auto value = [](double x) { return x == 0 ? std::string() : format("%.6g", x); };
  for (const auto& cell : results.cells) {
    for (const auto& field : {cell.task, cell.model, cell.mixer, cell.form, cell.precision})
      text += quoted(field) + ",";
    for (const auto field : {cell.height, cell.width, cell.batch, cell.instances, cell.tokens}) {
      text += std::to_string(field) + ",";
    }
    const bool ran = cell.ran();
    const auto quartiles = ran ? quartiles_of(cell) : Quartiles{};
    text += std::to_string(cell.times_ms.size()) + ",";
    for (const double field :
         {quartiles.median, quartiles.q1, quartiles.q3, ran ? items_per_s(cell) : 0, cell.gmacs,
          ran ? gmacs_per_s(cell) : 0, ran ? peak_share(results, cell) : 0, ran ? bandwidth_share(results, cell) : 0,
          cell.state_mb, cell.peak_rss_mb, working_mb(cell), cell.deviation}) {
      text += value(field) + ",";
    }
    text += quoted(cell.skipped) + "\r\n";
  }
  return text;
}

}  // namespace retentive::bench
