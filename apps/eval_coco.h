#pragma once

#include <string>

#include <apps/command.h>
#include <datasets/coco_eval.h>

namespace retentive::apps {

/// The twelve numbers and the AP of each class as one line of JSON, or as tables for people.
std::string coco_evaluation_json(const datasets::CocoEval& evaluation);
std::string coco_evaluation_text(const datasets::CocoEval& evaluation);

/// `retentive eval coco`: declares its flags on `app` and returns what it does.
Action set_up_eval_coco(CLI::App& app);

}  // namespace retentive::apps
