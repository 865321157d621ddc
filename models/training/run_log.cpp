#include <models/training/run_log.h>

#include <fstream>
#include <string>
#include <utility>

#include <models/config_json.h>
#include <retention/base/error.h>

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

[[noreturn]] void refuse(const std::filesystem::path& path) {
  throw DataError("[run log] \"" + path.string() +
                  "\" cannot be written; a writable folder with free space is needed; change run.output_dir");
}

}  // namespace

RunLog::RunLog(std::filesystem::path path, int64_t epochs) : path_(std::move(path)) {
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
  std::ofstream output(path_, std::ios::trunc);
  if (!(output << kept).flush()) refuse(path_);
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
  std::ofstream output(path_, std::ios::app);
  if (!(output << line.dump() << '\n').flush()) refuse(path_);
}

}  // namespace retentive::models
