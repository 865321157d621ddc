#include <bench/report/machine_json.h>
#include <bench/training.h>

namespace retentive::bench {
namespace {

constexpr int kSchema = 1;

}  // namespace

std::string training_json(const TrainingResult& result) {
  const auto& options = result.options;
  const nlohmann::ordered_json json = {{"schema", kSchema},
                                       {"task", "training"},
                                       {"model", options.model},
                                       {"size", size_text(options.height, options.width)},
                                       {"batch", options.batch},
                                       {"threads", options.threads},
                                       {"precision", "fp32"},
                                       {"median_ms", result.summary.median},
                                       {"p10_ms", result.summary.p10},
                                       {"p90_ms", result.summary.p90},
                                       {"images_per_s", result.images_per_s()},
                                       {"peak_rss_mb", result.peak_rss_mb},
                                       {"loss", result.loss},
                                       {"machine", machine_json(result.machine)},
                                       {"times_ms", result.times_ms}};
  return json.dump();
}

std::string training_text(const TrainingResult& result) {
  const auto& options = result.options;
  std::string text = options.model + " " + size_text(options.height, options.width) + ", training, batch " +
                     std::to_string(options.batch) + ", " + std::to_string(options.threads) + " threads, fp32\n";
  text += format("step        %.1f ms median, %.1f p10, %.1f p90 (%zu steps)\n", result.summary.median,
                 result.summary.p10, result.summary.p90, result.times_ms.size());
  text += format("throughput  %.1f images/s\n", result.images_per_s());
  text += format("memory      %.0f MiB peak\n", result.peak_rss_mb);
  text += format("loss        %.4f after the last step\n", result.loss);
  return text + machine_text(result.machine);
}

}  // namespace retentive::bench
