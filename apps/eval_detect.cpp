#include <cstdio>
#include <memory>

#include <ATen/Parallel.h>

#include <apps/class_map.h>
#include <apps/eval_coco.h>
#include <apps/eval_detect.h>
#include <apps/notes.h>
#include <apps/progress.h>
#include <datasets/image_folder.h>
#include <models/checkpoint.h>
#include <models/detection/detect_dataset.h>
#include <models/model_folder.h>
#include <models/pipelines/builtin_weights.h>
#include <models/registry.h>
#include <retention/base/error.h>
#include <retention/base/run_files.h>
#include <retention/nn/inference.h>

namespace retentive::apps {
namespace {

struct Flags {
  std::string weights;
  std::string model;
  std::string images;
  std::string annotations;
  std::string results;
  std::string class_map;
  bool ignore_orientation = false;
  Precision precision = Precision::fp32;
  int64_t threads = 0;
  int64_t workers = 1;
  bool json = false;
};

models::LoadedModel load(const Flags& flags) {
  if (flags.weights.empty()) {
    const std::string name = flags.model.empty() ? models::kDefaultDetector : flags.model;
    return models::load_model(models::read_builtin_checkpoint(name, "eval detect"));
  }
  models::ModelChoice choice;
  if (!flags.model.empty()) choice.name = flags.model;
  return models::load_model(flags.weights, choice);
}

int eval_detect(const Flags& flags) {
  RunFiles("eval detect")
      .read_all(models::model_files(flags.weights))
      .read(flags.annotations)
      .read_all(datasets::list_images(flags.images))
      .write("--results", flags.results)
      .check();
  const auto loaded = load(flags);
  if (!loaded.card.preprocessing) {
    throw ConfigError("[eval detect] \"" + flags.weights +
                      "\" does not say how images are prepared; a file with a card is accepted; write one with "
                      "`retentive convert`");
  }
  const auto detector = models::as_detector(loaded.model, flags.weights);
  nn::prepare_inference(*detector, {.precision = flags.precision});
  auto truth = datasets::read_coco(flags.annotations, {.masks = detector->has_masks()});
  const auto classes = models::match_categories(loaded.card.labels, detector->num_classes(), truth,
                                                class_match_options("eval detect", flags.annotations, flags.class_map));
  print_notes(classes.notes);
  truth = models::without_categories(std::move(truth), classes.left_out);
  const datasets::CocoDataset dataset(truth, flags.images,
                                      {.decode = {.ignore_orientation = flags.ignore_orientation}});
  if (flags.threads > 0) at::set_num_threads(static_cast<int>(flags.threads));
  ProgressMeter meter(dataset.size(), "images");
  models::CocoCollector found(classes.ids);
  models::detect_dataset(*detector, dataset,
                         {.preprocessing = *loaded.card.preprocessing,
                          .workers = flags.workers,
                          .progress = [&meter](int64_t, int64_t) { meter.advance(); },
                          .stop = nullptr},
                         found);
  meter.hide();
  note_dropped(found.dropped(), flags.annotations);
  auto& results = found.results();
  if (!flags.results.empty()) datasets::write_coco_results(flags.results, results);
  const auto report = [&](const char* title, datasets::CocoOverlap type) {
    const auto evaluation = datasets::evaluate_coco(truth, results, type);
    const auto text =
        flags.json ? coco_evaluation_json(evaluation) : std::string(title) + "\n" + coco_evaluation_text(evaluation);
    std::fputs(text.c_str(), stdout);
  };
  report("boxes", datasets::CocoOverlap::bbox);
  if (!detector->has_masks()) return kSuccess;
  for (auto& result : results) result.box.reset();  // their areas then are those of the masks
  report("\nmasks", datasets::CocoOverlap::segm);
  return kSuccess;
}

}  // namespace

Action set_up_eval_detect(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("--weights", flags->weights, "weights file (safetensors or .pth); none = the built-in model");
  app.add_option("--model", flags->model, "registry name, for files that do not say what they are");
  app.add_option("--images", flags->images, "folder of images")->required();
  app.add_option("--annotations", flags->annotations, "COCO annotation file (JSON)")->required();
  add_class_map(app, flags->class_map);
  app.add_flag("--ignore-orientation", flags->ignore_orientation,
               "leave EXIF-turned images as they are stored, for annotations made so");
  app.add_option("--results", flags->results, "also write what was found, as a COCO results file");
  app.add_option("--threads", flags->threads, "threads of the model; 0 = all cores")->check(CLI::Range(0, 1024));
  app.add_option("--workers", flags->workers, "threads that read images")->check(CLI::Range(0, 256));
  add_enum_option(app, "--precision", flags->precision, "number type of the network");
  app.add_flag("--json", flags->json, "a line of JSON for boxes, and one for masks of a model that has them");
  return [flags] { return eval_detect(*flags); };
}

}  // namespace retentive::apps
