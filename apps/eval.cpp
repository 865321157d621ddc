#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include <ATen/Parallel.h>

#include <apps/class_map.h>
#include <apps/command.h>
#include <apps/eval_coco.h>
#include <apps/eval_detect.h>
#include <apps/notes.h>
#include <apps/progress.h>
#include <datasets/subset.h>
#include <models/checkpoint.h>
#include <models/pipelines/builtin_weights.h>
#include <models/registry.h>
#include <models/training/data.h>
#include <models/training/evaluation.h>
#include <retention/base/error.h>
#include <retention/base/precision.h>
#include <retention/nn/inference.h>

namespace retentive::apps {
namespace {

struct Flags {
  std::string weights;
  std::string model;
  std::string data;
  std::string images;
  std::string labels;
  std::string class_map;
  models::DataKind kind = models::DataKind::image_folder;
  int64_t batch = 64;
  int64_t threads = 0;
  int64_t workers = 1;
  Precision precision = Precision::fp32;
  bool json = false;
};

models::LoadedModel load(const Flags& flags) {
  models::ModelChoice choice;
  if (!flags.weights.empty()) {
    if (!flags.model.empty()) choice.name = flags.model;
    return models::load_model(flags.weights, choice);
  }
  const bool unnamed = flags.model.empty() || flags.model == "default";
  return models::load_model(
      models::read_builtin_checkpoint(unnamed ? models::kDefaultClassifier : flags.model, "eval classify"));
}

// Idx files hold numbers. Where the model, or a class map, speaks of digits they are these; else the number is that of
// the model's class.
std::vector<std::string> idx_names(const Flags& flags, const std::vector<std::string>& labels, int64_t classes) {
  constexpr int64_t kDigits = 10;
  std::vector<std::string> numbers;
  bool elsewhere = false;
  for (int64_t i = 0; i < std::max(classes, kDigits); ++i) {
    numbers.push_back(std::to_string(i));
    const auto found = std::find(labels.begin(), labels.end(), numbers.back());
    elsewhere = elsewhere || (found != labels.end() && found - labels.begin() != i);
  }
  if (!flags.class_map.empty() || elsewhere) return numbers;
  if (labels != std::vector(numbers.begin(), numbers.begin() + kDigits)) {
    if (!labels.empty()) print_notes({"idx files have no class names: label k is taken for the model's class k"});
  }
  return labels;
}

std::shared_ptr<const datasets::Dataset> open_data(const Flags& flags, const models::ModelCard& card, int64_t classes) {
  if (flags.kind == models::DataKind::image_folder) {
    if (!flags.data.empty() && flags.images.empty() && flags.labels.empty())
      return models::open_dataset(flags.kind, flags.data);
    throw ConfigError("[eval classify] image_folder needs --data FOLDER, and neither --images nor --labels");
  }
  if (flags.kind != models::DataKind::mnist) {
    throw ConfigError(
        "[eval classify] --kind is " + std::string(enum_name(flags.kind)) +
        ", which holds no labelled images; image_folder and mnist are accepted; detectors: `retentive eval "
        "detect`, language models: `retentive perplexity`");
  }
  if (flags.data.empty() && !flags.images.empty() && !flags.labels.empty()) {
    return models::open_dataset(flags.kind, flags.images, flags.labels, idx_names(flags, card.labels, classes));
  }
  throw ConfigError("[eval classify] mnist needs --images IDX3 and --labels IDX1 (plain or .gz), and no --data");
}

/// A labelled set whose classes are known to the model.
struct MatchedData {
  std::shared_ptr<const datasets::Dataset> dataset;
  std::vector<int64_t> class_map;
};

MatchedData match_data(const Flags& flags, std::shared_ptr<const datasets::Dataset> dataset,
                       const models::ModelCard& card, int64_t classes) {
  auto matching = class_match_options("eval classify", flags.data.empty() ? flags.labels : flags.data, flags.class_map);
  matching.one_to_one = true;
  matching.used.assign(dataset->class_names().size(), false);
  for (int64_t i = 0; i < dataset->size(); ++i) matching.used[static_cast<size_t>(dataset->label(i))] = true;
  auto match = models::match_classes(card.labels, classes, dataset->class_names(), matching);
  print_notes(match.notes);
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < dataset->size(); ++i) {
    if (!match.left_out[static_cast<size_t>(dataset->label(i))]) kept.push_back(i);
  }
  if (static_cast<int64_t>(kept.size()) < dataset->size()) {
    dataset = std::make_shared<datasets::Subset>(std::move(dataset), std::move(kept));
  }
  return {std::move(dataset), std::move(match.model_class)};
}

int eval_classify(const Flags& flags) {
  const auto loaded = load(flags);
  if (!loaded.card.preprocessing) {
    throw ConfigError("[eval classify] \"" + flags.weights +
                      "\" does not say how images are prepared; a file with a card is accepted; write one with "
                      "`retentive convert`");
  }
  const auto model = models::as_backbone(loaded.model, flags.weights);
  nn::prepare_inference(*model, {.precision = flags.precision});
  const auto classes = models::num_classes(*loaded.card.config);
  const auto [dataset, class_map] = match_data(flags, open_data(flags, loaded.card, classes), loaded.card, classes);
  models::EvaluationOptions options;
  options.preprocessing = *loaded.card.preprocessing;
  options.batch_size = flags.batch;
  options.workers = flags.workers;
  options.class_map = class_map;
  ProgressMeter meter(dataset->size(), "images");
  options.progress = [&meter, shown = int64_t{0}](int64_t done, int64_t) mutable {
    for (; shown < done; ++shown) meter.advance();
  };
  if (flags.threads > 0) at::set_num_threads(static_cast<int>(flags.threads));
  const auto metrics = models::evaluate(*model, *dataset, classes, options);
  meter.hide();
  const auto text = flags.json ? models::evaluation_json(metrics, loaded.card.labels) + "\n"
                               : models::evaluation_text(metrics, loaded.card.labels);
  std::fputs(text.c_str(), stdout);
  return kSuccess;
}

}  // namespace

Command eval_command() {
  return {"eval", "Score a model on a labelled set, or the results of a detector", [](CLI::App& app) -> Action {
            auto flags = std::make_shared<Flags>();
            auto* classify = app.add_subcommand("classify", "top-1, top-5, loss, per-class table, confusion matrix");
            auto* coco = app.add_subcommand("coco", "the twelve COCO numbers and AP per class of a results file");
            const Action run_coco = set_up_eval_coco(*coco);
            auto* detect = app.add_subcommand("detect", "a detector on an annotated set: the same numbers");
            const Action run_detect = set_up_eval_detect(*detect);
            app.require_subcommand(1);
            classify->add_option("--weights", flags->weights,
                                 "weights file (safetensors or .pth); none = the built-in model");
            classify->add_option("--model", flags->model,
                                 "registry name, for files that do not say what they are; or default");
            add_enum_option(*classify, "--kind", flags->kind, "format of the set");
            classify->add_option("--data", flags->data, "image_folder: folder with one folder a class");
            classify->add_option("--images", flags->images, "mnist: idx3 file, plain or .gz");
            classify->add_option("--labels", flags->labels, "mnist: idx1 file, plain or .gz");
            add_class_map(*classify, flags->class_map);
            classify->add_option("--batch", flags->batch, "images at a time")->check(CLI::Range(1, 4096));
            classify->add_option("--threads", flags->threads, "threads of the model; 0 = all cores")
                ->check(CLI::Range(0, 1024));
            classify->add_option("--workers", flags->workers, "threads that read images")->check(CLI::Range(0, 256));
            add_enum_option(*classify, "--precision", flags->precision, "number type of the network");
            classify->add_flag("--json", flags->json, "one line of JSON");
            return Action([flags, coco, run_coco, detect, run_detect] {
              if (coco->parsed()) return run_coco();
              return detect->parsed() ? run_detect() : eval_classify(*flags);
            });
          }};
}

}  // namespace retentive::apps
