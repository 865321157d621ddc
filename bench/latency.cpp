#include <algorithm>
#include <thread>

#include <ATen/Parallel.h>

#include <bench/describe.h>
#include <bench/latency.h>
#include <bench/repeat.h>
#include <bench/report/format.h>
#include <bench/report/statistics.h>
#include <models/checkpoint.h>
#include <models/registry.h>
#include <retention/base/error.h>
#include <retention/nn/inference.h>

namespace retentive::bench {
namespace {

constexpr int64_t kCheckedSide = 224;

// Boxes that stand before the last suppression in an image full of things.
constexpr int64_t kCandidates = 300;

std::vector<vision::ImageExtent> whole(const torch::Tensor& images) {
  return std::vector<vision::ImageExtent>(images.size(0), {images.size(2), images.size(3)});
}

// A detector without training is as unsure of everything: the threshold that lets as much pass as a trained one would.
template <class Config>
Config with_usual_threshold(Config config, const torch::Tensor& image) {
  Config open = config;
  open.score_threshold = 0;
  open.max_detections = kCandidates;
  const auto model = models::as_detector(models::build(open, /*seed=*/0), "bench");
  model->eval();
  const auto scores = model->detect(image, whole(image)).front().scores;
  if (scores.size(0) == kCandidates) config.score_threshold = scores[-1].template item<double>();
  return config;
}

std::shared_ptr<torch::nn::Module> load(const LatencyOptions& options, const torch::Tensor& image) {
  if (!options.weights.empty()) {
    models::ModelChoice choice;
    if (!options.model.empty()) choice.name = options.model;
    return models::load_model(options.weights, choice).model;
  }
  auto config = models::find_model(options.model).config;
  if (auto* retinanet = std::get_if<vision::RetinanetConfig>(&config))
    *retinanet = with_usual_threshold(*retinanet, image);
  if (auto* mask_rcnn = std::get_if<vision::MaskRcnnConfig>(&config))
    *mask_rcnn = with_usual_threshold(*mask_rcnn, image);
  auto model = models::build(config, /*seed=*/0);
  model->eval();
  return model;
}

// max|a-b| / max(1, max|b|).
double deviation_of(const torch::Tensor& a, const torch::Tensor& b) {
  const auto difference = (a - b).abs().max().item<double>();
  return difference / std::max(1.0, b.abs().max().item<double>());
}

// What rounding may do to features of unit size after tens of layers: far above what is seen, far below a wrong kernel.
double tolerance(Precision precision) {
  return precision == Precision::fp32 ? 1e-4 : precision == Precision::bf16 ? 0.1 : 0.4;
}

}  // namespace

LatencyBench::LatencyBench(const LatencyOptions& options) : options_(options) {
  if (options_.threads > 0) at::set_num_threads(options_.threads);
  options_.threads = at::get_num_threads();
  const c10::InferenceMode inference;
  const auto channels = models::in_channels(models::find_model(options.model).config);
  const auto generator = at::detail::createCPUGenerator(1);
  const auto random = [&](int64_t batch, int64_t height, int64_t width) {
    return torch::randn({batch, channels, height, width}, generator);
  };
  const auto checked = random(1, std::min(options.height, kCheckedSide), std::min(options.width, kCheckedSide));
  image_ = random(options.batch, options.height, options.width);
  model_ = load(options, image_.slice(0, 0, 1));
  detector_ = dynamic_cast<vision::DetectorImpl*>(model_.get());
  if (detector_ == nullptr) backbone_ = models::as_backbone(model_, options.model).get();
  const auto plain = features(checked).to(torch::kFloat).clone();
  if (backbone_ != nullptr) set_form(*backbone_, options_.form);
  nn::prepare_inference(*model_, {.precision = options.precision});
  deviation_ = deviation_of(features(checked).to(torch::kFloat), plain);
  if (!(deviation_ <= tolerance(options.precision))) {
    throw StateError("[bench] " + options.model + " prepared in " + std::string(enum_name(options.precision)) +
                     " deviates from the plain model by " + std::to_string(deviation_) + " (at most " +
                     std::to_string(tolerance(options.precision)) +
                     " is accepted): no speed is measured of a wrong result; run scripts/test.sh");
  }
}

torch::Tensor LatencyBench::features(const torch::Tensor& image) {
  return detector_ != nullptr ? detector_->forward_pyramid(image).front() : backbone_->forward_features(image);
}

void LatencyBench::pass() {
  if (detector_ == nullptr) {
    backbone_->forward(image_);
  } else {
    detector_->detect(image_, whole(image_));
  }
}

std::vector<double> LatencyBench::run(int repetitions, double budget_s) {
  const c10::InferenceMode inference;
  return time_calls([this] { pass(); }, repetitions, budget_s);
}

std::map<std::string, OpProfile::Row> LatencyBench::profile(int repetitions) {
  const OpProfile profile;
  run(repetitions);
  return profile.rows();
}

double LatencyBench::macs() {
  if (backbone_ != nullptr) {
    const auto image = backbone_->useful_macs(options_.height, options_.width);
    return static_cast<double>(options_.batch) * static_cast<double>(image);
  }
  double giga = 0;
  for (const auto& [operation, row] : profile(1)) giga += row.gmacs;
  return 1e9 * giga;
}

Cell LatencyBench::cell() const {
  Cell cell{.task = "image",
            .model = options_.model,
            .precision = std::string(enum_name(options_.precision)),
            .batch = options_.batch,
            .instances = options_.instances};
  cell.deviation = deviation_;
  describe_images(models::find_model(options_.model).config, options_.height, options_.width, options_.form, cell);
  return cell;
}

namespace {

// All instances at once, each from a thread of its own.
std::vector<double> run_instances(LatencyBench& first, const LatencyOptions& options) {
  std::vector<std::unique_ptr<LatencyBench>> others;
  for (int i = 1; i < options.instances; ++i) others.push_back(std::make_unique<LatencyBench>(options));
  std::vector<std::vector<double>> times(options.instances);
  const auto run = [&](LatencyBench& bench, std::vector<double>& into) {
    at::set_num_threads(options.threads);
    bench.run(options.warmup);
    into = bench.run(options.repetitions, options.budget_s);
  };
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < others.size(); ++i) {
      threads.emplace_back([&, i] { run(*others[i], times[i + 1]); });
    }
    run(first, times[0]);
  }
  std::vector<double> all;
  for (const auto& part : times) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// Of one pass, the longest first.
std::vector<OperationCost> operations_of(LatencyBench& bench, int passes) {
  std::vector<OperationCost> operations;
  for (const auto& [name, row] : bench.profile(passes)) {
    operations.push_back(
        {name, row.calls / passes, row.milliseconds / passes, row.gmacs / passes, row.gigabytes / passes});
  }
  std::ranges::stable_sort(operations, std::ranges::greater{}, &OperationCost::milliseconds);
  return operations;
}

std::string command_of(const LatencyOptions& options, const std::string& form, bool with_profile) {
  std::string command = "retentive bench latency --model " + options.model;
  if (!options.weights.empty()) command += " --weights " + options.weights;
  command += " --size " + size_text(options.height, options.width) + " --batch " + std::to_string(options.batch) +
             " --precision " + std::string(enum_name(options.precision));
  if (!form.empty()) command += " --form " + form;
  if (options.instances > 1) command += " --instances " + std::to_string(options.instances);
  return command + " --threads " + std::to_string(options.threads) + " --warmup " + std::to_string(options.warmup) +
         " --reps " + std::to_string(options.repetitions) + (with_profile ? " --profile" : "");
}

}  // namespace

Results measure_latency(const LatencyOptions& asked, bool with_profile) {
  constexpr double kProfiledMs = 1000;  // at most about as long
  LatencyBench bench(asked);
  const auto& options = bench.options();
  auto cell = bench.cell();
  auto results = new_results(command_of(options, cell.form, with_profile), options.threads);
  cell.pingpong_ns = results.machine.pingpong_ns;
  reset_peak_rss();
  cell.loaded_rss_mb = rss_mb();
  cell.times_ms = run_instances(bench, options);
  cell.peak_rss_mb = peak_rss_mb();
  cell.gmacs = bench.macs() * 1e-9 * options.instances;
  if (with_profile) {
    const auto passes = static_cast<int>(kProfiledMs / percentile(cell.times_ms, 0.5));
    cell.operations = operations_of(bench, std::clamp(passes, 1, std::min(10, options.repetitions)));
  }
  results.peak_gmacs_per_s[cell.precision] = peak_gmacs_per_s(options.precision, options.threads * options.instances);
  results.cells.push_back(std::move(cell));
  return results;
}

}  // namespace retentive::bench
