#include <algorithm>
#include <fstream>

#include <nlohmann/json.hpp>

#include <bench/latency.h>
#include <bench/report/machine_json.h>
#include <retention/base/error.h>

namespace retentive::bench {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kSchema = 1;

// Operations by the time they take, longest first.
std::vector<std::pair<std::string, OpProfile::Row>> by_time(const LatencyResult& result) {
  std::vector<std::pair<std::string, OpProfile::Row>> rows(result.profile.begin(), result.profile.end());
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return a.second.milliseconds > b.second.milliseconds; });
  return rows;
}

bool is_stage(const std::string& operation) { return operation.starts_with(kStagePrefix); }

Json read_result(const std::string& path) {
  std::ifstream in(path);
  if (!in)
    throw DataError("[bench] " + path + " cannot be read; give a file written by `retentive bench latency --json`");
  try {
    Json json = Json::parse(in);
    if (json.at("schema") != kSchema || json.at("times_ms").empty()) throw DataError("");
    for (const char* key : {"model", "size", "batch", "threads", "precision", "machine"}) json.at(key);
    json.at("times_ms").get<std::vector<double>>();
    json.at("machine").at("pingpong_ns").get<double>();
    return json;
  } catch (const std::exception&) {
    throw DataError("[bench] " + path +
                    " is no result of this version; one object written by `retentive bench latency "
                    "--json` is accepted; measure again");
  }
}

}  // namespace

std::string latency_json(const LatencyResult& result) {
  const auto& options = result.options;
  Json json = {{"schema", kSchema},
               {"model", options.model},
               {"size", size_text(options.height, options.width)},
               {"batch", options.batch},
               {"threads", options.threads},
               {"instances", options.instances},
               {"precision", enum_name(options.precision)},
               {"median_ms", result.summary.median},
               {"p10_ms", result.summary.p10},
               {"p90_ms", result.summary.p90},
               {"images_per_s", result.images_per_s()},
               {"peak_rss_mb", result.peak_rss_mb},
               {"gmacs_per_s", result.gmacs_per_s()},
               {"peak_share", result.gmacs_per_s() / result.peak_gmacs_per_s},
               {"peak_gmacs_per_s", result.peak_gmacs_per_s},
               {"deviation", result.deviation},
               {"machine", machine_json(result.machine)},
               {"times_ms", result.times_ms}};
  for (const auto& [operation, row] : by_time(result)) {
    if (is_stage(operation)) {
      json["stages"].push_back(
          {{"stage", operation.substr(std::string_view(kStagePrefix).size())}, {"ms", row.milliseconds}});
      continue;
    }
    json["profile"].push_back(
        {{"operation", operation}, {"calls", row.calls}, {"ms", row.milliseconds}, {"gmacs", row.gmacs}});
  }
  return json.dump();
}

std::string latency_text(const LatencyResult& result) {
  const auto& options = result.options;
  std::string text;
  text += options.model + " " + size_text(options.height, options.width) + ", batch " + std::to_string(options.batch) +
          ", " + std::to_string(options.threads) + " threads, " +
          (options.instances > 1 ? std::to_string(options.instances) + " instances, " : "") +
          std::string(enum_name(options.precision)) + "\n";
  text += format("latency     %.2f ms median, %.2f p10, %.2f p90 (%zu runs)\n", result.summary.median,
                 result.summary.p10, result.summary.p90, result.times_ms.size());
  text += format("throughput  %.1f images/s\n", result.images_per_s());
  text += format("arithmetic  %.1f GMAC/s, %.0f %% of the measured peak of %.0f (1024^3 product)\n",
                 result.gmacs_per_s(), 100 * result.gmacs_per_s() / result.peak_gmacs_per_s, result.peak_gmacs_per_s);
  text += format("memory      %.0f MiB peak\n", result.peak_rss_mb);
  text += format("check       deviates from the plain model by %.1e\n", result.deviation);
  text += machine_text(result.machine);
  if (result.profile.empty()) return text;
  double total = 0;
  const auto rows = by_time(result);
  if (std::any_of(rows.begin(), rows.end(), [](const auto& row) { return is_stage(row.first); })) {
    text += "\n      ms  share  stage\n";
  }
  for (const auto& [operation, row] : rows) {
    if (!is_stage(operation)) continue;
    text += format("%8.3f  %4.1f%%  %s\n", row.milliseconds, 100 * row.milliseconds / result.summary.median,
                   operation.c_str() + std::string_view(kStagePrefix).size());
  }
  text += "\n      ms  share  calls  GMAC/s  operation\n";
  for (const auto& [operation, row] : rows) {
    if (is_stage(operation)) continue;
    total += row.milliseconds;
    text +=
        format("%8.3f  %4.1f%%  %5lld  %6.0f  %s\n", row.milliseconds, 100 * row.milliseconds / result.summary.median,
               static_cast<long long>(row.calls), row.gmacs * 1e3 / row.milliseconds, operation.c_str());
  }
  text += format("%8.3f  %4.1f%%                 between operations\n", result.summary.median - total,
                 100 * (1 - total / result.summary.median));
  return text;
}

Comparison compare_latency(const std::string& before, const std::string& after) {
  const Json a = read_result(before), b = read_result(after);
  Comparison result;
  result.ratio = median_ratio(a["times_ms"].get<std::vector<double>>(), b["times_ms"].get<std::vector<double>>());
  for (const char* key : {"model", "size", "batch", "threads", "precision"}) {
    if (a[key] == b[key]) continue;
    result.same_conditions = false;
    result.text += std::string("note: ") + key + " differs: " + a[key].dump() + " and " + b[key].dump() + "\n";
  }
  const auto state = [](const Json& json) { return std::string(cache_state(json["machine"]["pingpong_ns"])); };
  if (state(a) != state(b)) {
    result.same_conditions = false;
    result.text += "note: the machine was in its " + state(a) + " and then in its " + state(b) +
                   " cache state; measure again for a fair comparison\n";
  }
  result.text +=
      format("median %.3f ms -> %.3f ms: x %.3f (95 %% interval %.3f to %.3f), ", a["median_ms"].get<double>(),
             b["median_ms"].get<double>(), result.ratio.ratio, result.ratio.low, result.ratio.high);
  const bool apart = result.ratio.low > 1 || result.ratio.high < 1;
  result.text += !apart ? "no difference\n" : result.ratio.ratio < 1 ? "faster\n" : "slower\n";
  return result;
}

}  // namespace retentive::bench
