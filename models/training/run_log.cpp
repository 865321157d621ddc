#include <models/training/run_log.h>

#include <fstream>
#include <string>
#include <utility>

#include <models/config_json.h>
#include <retention/base/output_file.h>

namespace retentive::models {
namespace {

Json scores_json(const Scores& scores) {
  const Json all = to_json_value(scores);
  Json present;
  for (const auto& [name, value] : all.items()) {
    if (!value.is_null()) present[name] = value;
  }
  return present;
}

constexpr const char* kWhere = "run log";

}  // namespace

RunLog::RunLog(std::filesystem::path path, int64_t epochs) : path_(std::move(path)) {
  const auto target = output_target(path_);
  if (target.exists && target.kind != OutputTarget::Kind::file) return;  // a pipe or device has no past
  std::string kept;
  std::ifstream input(path_);
  for (std::string line; std::getline(input, line);) {
    const auto entry = Json::parse(line, nullptr, false);
    if (entry.is_object() && entry.contains("epoch") && entry["epoch"].is_number_integer() &&
        entry["epoch"].get<int64_t>() <= epochs) {
      kept += line + "\n";
    }
  }
  input.close();
  write_output(path_, kWhere, kept);
}

void RunLog::append(const EpochReport& report) {
  const Json line = {{"epoch", report.epoch},
                     {"step", report.step},
                     {"lr", report.lr},
                     {"train_loss", report.train_loss},
                     {"validation", scores_json(report.raw)},
                     {"ema", report.ema ? scores_json(*report.ema) : Json(nullptr)},
                     {"seconds", report.seconds},
                     {report.items + "_per_second", report.items_per_second},
                     {"best", report.best}};
  append_output(path_, kWhere, line.dump() + "\n");
}

}  // namespace retentive::models
