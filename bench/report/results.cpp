#include <bench/report/results.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>

#include <nlohmann/json.hpp>

#include <bench/report/analysis.h>
#include <bench/report/format.h>
#include <retention/base/error.h>

namespace retentive::bench {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "retentive.results";
constexpr int kMostDepth = 16;  // nlohmann-json copies and writes recursively; files of this format have 5
constexpr int64_t kMostCount = 1'000'000'000;  // products of two fit into 64 bits

// f(name, field) for every field that files hold; the one list that writing and reading use.
template <class Self, class F>
void visit_machine(Self& machine, F&& f) {
  f("cpu", machine.cpu);
  f("isa", machine.isa);
  f("cores", machine.cores);
  f("retentive", machine.retentive);
  f("libtorch", machine.libtorch);
  f("onednn", machine.onednn);
  f("runtimes", machine.runtimes);
  f("load", machine.load);
  f("pingpong_ns", machine.pingpong_ns);
}

template <class Self, class F>
void visit_operation(Self& operation, F&& f) {
  f("name", operation.name);
  f("calls", operation.calls);
  f("milliseconds", operation.milliseconds);
  f("gmacs", operation.gmacs);
  f("gigabytes", operation.gigabytes);
}

template <class Self, class F>
void visit_cell(Self& cell, F&& f) {
  f("task", cell.task);
  f("runtime", cell.runtime);
  f("model", cell.model);
  f("mixer", cell.mixer);
  f("form", cell.form);
  f("precision", cell.precision);
  f("height", cell.height);
  f("width", cell.width);
  f("batch", cell.batch);
  f("instances", cell.instances);
  f("tokens", cell.tokens);
  f("skipped", cell.skipped);
  f("gmacs", cell.gmacs);
  f("read_gb", cell.read_gb);
  f("state_mb", cell.state_mb);
  f("peak_rss_mb", cell.peak_rss_mb);
  f("loaded_rss_mb", cell.loaded_rss_mb);
  f("deviation", cell.deviation);
  f("pingpong_ns", cell.pingpong_ns);
  f("times_ms", cell.times_ms);
}

template <class Self, class F>
void visit_results(Self& results, F&& f) {
  f("created", results.created);
  f("commit", results.commit);
  f("command", results.command);
  f("threads", results.threads);
  f("peak_gmacs_per_s", results.peak_gmacs_per_s);
  f("read_gb_per_s", results.read_gb_per_s);
}

// Six digits say more than any measurement here holds.
double rounded(double value) { return std::strtod(format("%.6g", value).c_str(), nullptr); }

// Commands and reasons may hold file names, which need not be UTF-8.
std::string dumped(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json to_json(double value) { return rounded(value); }
Json to_json(const std::vector<double>& values) {
  Json json = Json::array();
  for (const double value : values) json.push_back(rounded(value));
  return json;
}
template <class T>
Json to_json(const T& value) {
  return value;
}

Json cell_json(const Results& results, const Cell& cell) {
  Json json;
  visit_cell(cell, [&](const char* name, const auto& field) { json[name] = to_json(field); });
  if (cell.ran()) {
    const auto quartiles = quartiles_of(cell);
    json["median_ms"] = rounded(quartiles.median);
    json["q1_ms"] = rounded(quartiles.q1);
    json["q3_ms"] = rounded(quartiles.q3);
    json["items_per_s"] = rounded(items_per_s(cell));
    json["gmacs_per_s"] = rounded(gmacs_per_s(cell));
    const double peak = peak_share(results, cell), bandwidth = bandwidth_share(results, cell);
    if (peak > 0) json["peak_share"] = rounded(peak);
    if (bandwidth > 0) json["bandwidth_share"] = rounded(bandwidth);
  }
  for (const auto& operation : cell.operations) {
    Json row;
    visit_operation(operation, [&](const char* name, const auto& field) { row[name] = to_json(field); });
    json["operations"].push_back(std::move(row));
  }
  return json;
}

[[noreturn]] void fail_file(const std::string& where, const std::string& field, const std::string& fault) {
  throw DataError("[results] " + where + ": " + field + " " + fault +
                  "; a file of this version written by `retentive bench` is accepted; measure again");
}

/// Reads fields of one object; faults name the file and the field.
class Reader {
 public:
  Reader(const Json& json, std::string where, std::string path)
      : json_(json), where_(std::move(where)), path_(std::move(path)) {
    if (!json.is_object()) fail(path_, "is no object");
  }

  template <class T>
  void operator()(const char* name, T& field) const {
    const auto found = json_.find(name);
    if (found == json_.end() && added_later(name)) return;
    if (found == json_.end()) fail(path_ + name, "is missing");
    try {
      read(*found, field);
    } catch (const Json::exception&) {
      fail(path_ + name, "is of a wrong type");
    }
    check(path_ + name, field);
  }

  [[noreturn]] void fail(const std::string& field, const std::string& fault) const { fail_file(where_, field, fault); }

 private:
  // Fields that files of this version may lack.
  static bool added_later(std::string_view name) { return name == "runtime" || name == "runtimes"; }
  static void read(const Json& json, int64_t& field) {
    if (!json.is_number_integer()) throw Json::type_error::create(302, "no integer", &json);
    field = json.get<int64_t>();
  }
  template <class T>
  static void read(const Json& json, T& field) {
    field = json.get<T>();
  }
  void check(const std::string&, const std::string&) const {}
  void check(const std::string& field, int64_t value) const {
    if (value < 0 || value > kMostCount) fail(field, "is " + std::to_string(value));
  }
  void check(const std::string& field, double value) const {
    if (!std::isfinite(value) || value < 0) fail(field, "is " + format("%g", value));
  }
  void check(const std::string& field, const std::vector<double>& values) const {
    for (const double value : values) check(field, value);
  }
  void check(const std::string&, const std::map<std::string, std::string>&) const {}
  void check(const std::string& field, const std::map<std::string, double>& values) const {
    for (const auto& [name, value] : values) check(field + "." + name, value);
  }

  const Json& json_;
  std::string where_;
  std::string path_;
};

Cell read_cell(const Json& json, const std::string& where, const std::string& path) {
  const Reader reader(json, where, path + ".");
  Cell cell;
  visit_cell(cell, reader);
  if (cell.batch < 1) reader.fail(path + ".batch", "is 0");
  if (cell.instances < 1) reader.fail(path + ".instances", "is 0");
  if (cell.ran() && cell.times_ms.empty()) reader.fail(path + ".times_ms", "is empty");
  for (const double time : cell.times_ms) {
    if (time == 0) reader.fail(path + ".times_ms", "has a time of 0");
  }
  if (!json.contains("operations")) return cell;
  for (const auto& row : json["operations"]) {
    visit_operation(cell.operations.emplace_back(), Reader(row, where, path + ".operations."));
  }
  return cell;
}

Json parsed(const std::string& text, const std::string& where) {
  const auto depth_limit = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kMostDepth) fail_file(where, "the document", "is nested too deeply");
    return true;
  };
  try {
    return Json::parse(text, depth_limit);
  } catch (const Json::parse_error& error) {
    fail_file(where, "the document", "is no JSON from byte " + std::to_string(error.byte) + " on");
  } catch (const Json::out_of_range&) {
    fail_file(where, "the document", "has a number that does not fit into 64 bits");
  }
}

}  // namespace

std::string results_json(const Results& results) {
  Json json = {{"format", kFormat}, {"version", kResultsSchema}};
  visit_results(results, [&](const char* name, const auto& field) { json[name] = to_json(field); });
  visit_machine(results.machine, [&](const char* name, const auto& field) { json["machine"][name] = to_json(field); });
  // One cell a line: files that people can read, and whose changes a line-wise comparison shows.
  auto text = dumped(json, 1);
  text.resize(text.size() - 2);
  text += ",\n \"cells\": [";
  for (size_t i = 0; i < results.cells.size(); ++i) {
    text += (i == 0 ? "\n  " : ",\n  ") + dumped(cell_json(results, results.cells[i]));
  }
  return text + "\n ]\n}\n";
}

Results parse_results(const std::string& text, const std::string& where) {
  const auto json = parsed(text, where);
  const Reader reader(json, where, "the document");
  const auto number = [&](const char* name) { return json.contains(name) ? json[name].dump() : "missing"; };
  if (number("format") != "\"" + std::string(kFormat) + "\"") reader.fail("format", "is " + number("format"));
  if (number("version") != std::to_string(kResultsSchema)) reader.fail("version", "is " + number("version"));
  Results results;
  const Reader fields(json, where, "");
  visit_results(results, fields);
  if (!json.contains("machine")) fields.fail("machine", "is missing");
  visit_machine(results.machine, Reader(json["machine"], where, "machine."));
  if (!json.contains("cells") || !json["cells"].is_array() || json["cells"].empty()) {
    fields.fail("cells", "holds nothing");
  }
  for (const auto& cell : json["cells"]) {
    results.cells.push_back(read_cell(cell, where, "cells[" + std::to_string(results.cells.size()) + "]"));
  }
  return results;
}

Results read_results(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  in.peek();  // opening a folder succeeds, reading it does not
  if (!in.is_open() || in.bad())
    throw DataError("[results] " + path + " cannot be read; give a file written by `retentive bench --json`");
  std::ostringstream text;
  text << in.rdbuf();
  return parse_results(text.str(), path);
}

}  // namespace retentive::bench
