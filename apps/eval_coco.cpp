#include <algorithm>
#include <cstdio>
#include <memory>

#include <apps/class_map.h>
#include <apps/eval_coco.h>
#include <apps/text.h>

#include <nlohmann/json.hpp>

namespace retentive::apps {
namespace {

struct Flags {
  std::string annotations;
  std::string results;
  datasets::CocoOverlap type = datasets::CocoOverlap::bbox;
  int threads = 0;
  bool json = false;
};

int eval_coco(const Flags& flags) {
  const datasets::CocoReadOptions reading{.masks = flags.type == datasets::CocoOverlap::segm};
  const auto annotations = datasets::read_coco(flags.annotations, reading);
  const auto results = datasets::read_coco_results(flags.results, reading);
  const bool zero = std::any_of(annotations.annotations.begin(), annotations.annotations.end(),
                                [](const auto& annotation) { return annotation.id == 0; });
  if (zero) {
    std::fprintf(stderr,
                 "warning: %s has an annotation with id 0, which COCO's scores never count as found; number "
                 "annotations from 1\n",
                 flags.annotations.c_str());
  }
  const auto evaluation = datasets::evaluate_coco(annotations, results, flags.type, {.threads = flags.threads});
  note_dropped(evaluation.dropped, flags.annotations);
  const auto text = flags.json ? coco_evaluation_json(evaluation) : coco_evaluation_text(evaluation);
  std::fputs(text.c_str(), stdout);
  return kSuccess;
}

}  // namespace

std::string coco_evaluation_json(const datasets::CocoEval& evaluation) {
  nlohmann::ordered_json json = {{"stats", evaluation.stats}, {"per_class", nlohmann::ordered_json::array()}};
  for (const auto& score : evaluation.per_class) {
    json["per_class"].push_back({{"category_id", score.category_id}, {"name", score.name}, {"ap", score.ap}});
  }
  return json.dump() + "\n";
}

std::string coco_evaluation_text(const datasets::CocoEval& evaluation) {
  std::string text = stats_text(evaluation) + "\n";
  size_t width = 8;
  for (const auto& score : evaluation.per_class) width = std::max(width, score.name.size() + 2);
  text += padded("class", width) + "    AP\n";
  for (const auto& score : evaluation.per_class) {
    char ap[16];
    std::snprintf(ap, sizeof(ap), "%6.3f", score.ap);
    text += padded(score.name, width) + (score.ap < 0 ? "     -" : ap) + "\n";
  }
  return text;
}

Action set_up_eval_coco(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("--annotations", flags->annotations, "COCO annotation file (JSON)")->required();
  app.add_option("--results", flags->results, "COCO results file: image_id, category_id, bbox, score, segmentation")
      ->required();
  add_enum_option(app, "--type", flags->type, "what is compared, boxes or masks");
  app.add_option("--threads", flags->threads, "threads; 0 = all cores")->check(CLI::Range(0, 1024));
  app.add_flag("--json", flags->json, "one line of JSON: stats (12 numbers, -1 = undefined) and per_class");
  return [flags] { return eval_coco(*flags); };
}

}  // namespace retentive::apps
