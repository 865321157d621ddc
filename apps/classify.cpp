#include <iostream>
#include <memory>

#include <apps/classification_writer.h>
#include <apps/command.h>
#include <apps/image_paths.h>
#include <apps/progress.h>
#include <models/labels.h>
#include <models/pipelines/classifier.h>

namespace retentive::apps {
namespace {

constexpr const char* kDefaultNotice =
    "model: rmt_nano, built in; it recognises handwritten digits (0-9). For the 1,000 ImageNet classes take a "
    "published RMT checkpoint: `retentive convert rmt_t.pth rmt_t.safetensors`, then `retentive classify --weights "
    "rmt_t.safetensors PATH...`\n";

struct Flags {
  std::vector<std::string> paths;
  std::string weights;
  std::string model;
  std::string labels;
  Precision precision = Precision::fp32;
  models::BatchOptions batch;
  int64_t threads = 0;
  double max_megapixels = 64;
  bool json = false;
  bool csv = false;
};

models::Classifier load_classifier(const Flags& flags) {
  models::ClassifierOptions options;
  options.threads = flags.threads;
  options.precision = flags.precision;
  options.max_pixels = static_cast<int64_t>(flags.max_megapixels * 1e6);
  if (!flags.labels.empty()) options.labels = models::read_labels(flags.labels);
  if (!flags.weights.empty()) {
    options.model = flags.model;
    return models::Classifier::from_file(flags.weights, options);
  }
  if (!flags.model.empty()) return models::Classifier::from_name(flags.model, options);
  return models::Classifier::from_default(options);
}

int classify(const Flags& flags) {
  if (flags.weights.empty() && flags.model.empty()) std::cerr << kDefaultNotice;
  const auto classifier = load_classifier(flags);
  const auto paths = expand_image_paths(flags.paths, std::cin);
  const auto format = flags.json ? RecordFormat::json : flags.csv ? RecordFormat::csv : RecordFormat::text;
  ClassificationWriter writer(format, std::cout, std::cerr);
  ProgressMeter progress(static_cast<int64_t>(paths.size()), "images");
  bool failed = false;
  classifier.classify_each(paths, flags.batch, [&](models::Classification&& item) {
    failed = failed || item.error.has_value();
    progress.hide();
    if (!item.whole.empty()) std::cerr << "note: " << item.path << " was decoded whole: " << item.whole << "\n";
    writer.write(item);
    progress.advance();
  });
  return failed ? kSomeFailed : kSuccess;
}

}  // namespace

Command classify_command() {
  return {"classify", "Name what images show", [](CLI::App& app) -> Action {
            auto flags = std::make_shared<Flags>();
            app.add_option("--weights", flags->weights, "weights file, .safetensors or .pth; default: built-in digits");
            app.add_option("--model", flags->model, "registered model (see `retentive models`)");
            app.add_option("--labels", flags->labels, "text file of class names, one a line, instead of the model's");
            app.add_option("--top-k", flags->batch.top_k, "classes to print per image, 5 by default")
                ->check(CLI::Range(1, 1'000'000));
            auto* batch = app.add_option("--batch", flags->batch.batch_size, "images run together, 8 by default")
                              ->check(CLI::Range(1, 4096));
            app.add_flag("--stream", flags->batch.stream,
                         "read each image at its native size in bands of rows, without holding it (ViR models)")
                ->excludes(batch);
            app.add_option("--threads", flags->threads, "threads; default: all cores")->check(CLI::Range(1, 1024));
            add_enum_option(app, "--precision", flags->precision, "number type of the network");
            app.add_option("--max-megapixels", flags->max_megapixels, "refuse larger images before decoding; 64")
                ->check(CLI::Range(1e-6, 1e6));
            auto* json = app.add_flag("--json", flags->json, "one JSON object a line");
            app.add_flag("--csv", flags->csv, "comma-separated values with a header line")->excludes(json);
            app.add_option("paths", flags->paths, "image files, folders, quoted patterns, or - for a list on stdin")
                ->required();
            return [flags] { return classify(*flags); };
          }};
}

}  // namespace retentive::apps
