#include <bench/report/tables.h>

#include <algorithm>
#include <cmath>

#include <bench/report/analysis.h>
#include <bench/report/format.h>
#include <bench/report/table.h>
#include <bench/report/tasks.h>
#include <retention/base/op_profile.h>

namespace retentive::bench {
namespace {

// Three digits that count.
std::string number(double value) {
  if (value == 0 || !std::isfinite(value)) return "-";
  const int digits = std::max(0, 2 - static_cast<int>(std::floor(std::log10(std::abs(value)))));
  return format("%.*f", digits, value);
}

std::string percent(double share) { return share > 0 ? format("%.0f %%", 100 * share) : "-"; }

std::string size_of(const Cell& cell) { return cell.height > 0 ? size_text(cell.height, cell.width) : "-"; }

// Without the columns in which nothing stands.
Table without_empty(Table table) {
  for (size_t column = table.header.size(); column-- > 0;) {
    const auto empty = [&](const auto& row) { return row[column].empty() || row[column] == "-"; };
    if (!std::ranges::all_of(table.rows, empty)) continue;
    const auto erase = [&](auto& row) { row.erase(row.begin() + static_cast<std::ptrdiff_t>(column)); };
    erase(table.header);
    for (auto& row : table.rows) erase(row);
  }
  return table;
}

Table cells_table(const Results& results, const TaskWords& task) {
  Table table{
      .title = std::string(task.heading) + ": " + task.unit,
      .header = {"model", "runtime", "form", "precision", ">size", ">tokens", ">batch", ">ms", ">IQR", ">items/s",
                 ">peak MB", ">working MB", ">GMAC", ">GMAC/s", ">of peak", ">state MB", ">of bandwidth"}};
  const bool peers =
      std::ranges::any_of(results.cells, [](const Cell& cell) { return cell.runtime != Cell().runtime; });
  for (const auto& cell : results.cells) {
    if (cell.task != task.task || !cell.ran()) continue;
    const auto quartiles = quartiles_of(cell);
    table.rows.push_back({cell.model + (cell.instances > 1 ? " x " + std::to_string(cell.instances) : ""),
                          peers ? cell.runtime : "", cell.form, cell.precision, size_of(cell),
                          cell.tokens > 0 ? std::to_string(cell.tokens) : "-", std::to_string(cell.batch),
                          number(quartiles.median), number(quartiles.q3 - quartiles.q1), number(items_per_s(cell)),
                          number(cell.peak_rss_mb), number(working_mb(cell)), number(cell.gmacs),
                          number(gmacs_per_s(cell)), percent(peak_share(results, cell)), number(cell.state_mb),
                          percent(bandwidth_share(results, cell))});
  }
  return without_empty(std::move(table));
}

// The field of a row in the column of that name, which is added where it is not there.
std::string& field(Table& table, size_t row, const std::string& column) {
  const auto place = static_cast<size_t>(std::ranges::find(table.header, column) - table.header.begin());
  if (place == table.header.size()) table.header.push_back(column);
  auto& fields = table.rows[row];
  fields.resize(std::max(fields.size(), place + 1), "-");
  return fields[place];
}

// Rows are cells of ours, columns the peers.
Table peers_table(const Results& results, const TaskWords& task) {
  Table table{.title = std::string(task.heading) + ". Times as fast as others",
              .header = {"model", "form", "precision", ">size", ">batch"}};
  const auto fixed = table.header.size();
  const Cell* latest = nullptr;
  for (const auto& [cell, peer, ratio] : peer_ratios(results)) {
    if (cell->task != task.task) continue;
    if (cell != latest) {
      table.rows.push_back({cell->model, cell->form, cell->precision, size_of(*cell), std::to_string(cell->batch)});
      latest = cell;
    }
    const auto name =
        ">" + peer->runtime + " " + (peer->model == cell->model ? "" : peer->model + " ") + peer->precision;
    field(table, table.rows.size() - 1, name) = format("%.2f", ratio);
  }
  for (auto& row : table.rows) row.resize(table.header.size(), "-");
  return table.header.size() == fixed ? Table{.header = {}} : without_empty(std::move(table));
}

Table skipped_table(const Results& results) {
  Table table{.title = "Not run", .header = {"model", "runtime", "form", "precision", ">size", ">tokens", "why"}};
  for (const auto& cell : results.cells) {
    if (cell.ran()) continue;
    table.rows.push_back({cell.model, cell.runtime, cell.form, cell.precision, size_of(cell),
                          std::to_string(cell.tokens), cell.skipped});
  }
  return without_empty(std::move(table));
}

std::string exponent(const std::optional<PowerLaw>& law) { return law ? exponent_text(*law) : "-"; }

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
  return without_empty(std::move(table));
}

Table speed_ups_table(const std::vector<Series>& series) {
  Table table{.title = "Times as fast as attention", .header = {"series", "attention", ">size", ">tokens", ">ratio"}};
  for (const auto& speed : speed_ups(series)) {
    for (const auto& [cell, ratio] : speed.ratios) {
      table.rows.push_back({speed.series->label, speed.baseline->label, size_of(*cell), std::to_string(cell->tokens),
                            format("%.2f", ratio)});
    }
  }
  return without_empty(std::move(table));
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

// Of several cells: what their parts take, a column a cell.
Table stages_table(const Results& results) {
  Table table{.title = "Stages, ms", .header = {"model", "stage"}};
  std::vector<std::pair<std::string, std::string>> stages;
  const auto row_of = [&](const std::string& model, const std::string& stage) {
    const auto found = std::ranges::find(stages, std::pair(model, stage));
    if (found != stages.end()) return static_cast<size_t>(found - stages.begin());
    stages.emplace_back(model, stage);
    table.rows.push_back({model, stage});
    return stages.size() - 1;
  };
  for (const auto& cell : results.cells) {
    const auto name = ">" + cell.precision + " " + size_of(cell);
    for (const auto& operation : cell.operations) {
      if (!is_stage(operation)) continue;
      const auto row = row_of(cell.model, operation.name.substr(std::string_view(kStagePrefix).size()));
      field(table, row, name) = number(operation.milliseconds);
    }
  }
  for (auto& row : table.rows) row.resize(table.header.size(), "-");
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
  for (const auto& task : kTasks) {
    add(cells_table(results, task));
    add(peers_table(results, task));
    const auto series = series_of(results, task.task);
    for (auto table : {exponents_table(series), crossovers_table(series), speed_ups_table(series)}) {
      table.title = std::string(task.heading) + ". " + table.title;
      add(std::move(table));
    }
  }
  add(skipped_table(results));
  if (results.cells.size() == 1 && results.cells.front().ran()) {
    add(operations_table(results.cells.front(), /*stages=*/true));
    add(operations_table(results.cells.front(), /*stages=*/false));
  } else {
    add(stages_table(results));
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
  text += "; retentive " + machine.retentive + " (" + results.commit + "), LibTorch " + machine.libtorch + ", oneDNN " +
          machine.onednn;
  for (const auto& [runtime, version] : machine.runtimes) text += ", " + runtime + " " + version;
  return text + "; " + results.created;
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
      "task,runtime,model,mixer,form,precision,height,width,batch,instances,tokens,runs,median_ms,q1_ms,q3_ms,"
      "items_per_s,gmacs,gmacs_per_s,peak_share,bandwidth_share,state_mb,peak_rss_mb,working_mb,deviation,skipped\r\n";
  const auto value = [](double x) { return x == 0 ? std::string() : format("%.6g", x); };
  for (const auto& cell : results.cells) {
    for (const auto& field : {cell.task, cell.runtime, cell.model, cell.mixer, cell.form, cell.precision})
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
