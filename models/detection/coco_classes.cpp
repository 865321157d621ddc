#include <models/detection/coco_classes.h>

#include <algorithm>
#include <utility>

namespace retentive::models {

CocoClasses match_categories(const std::vector<std::string>& model_names, int64_t num_classes,
                             const datasets::CocoAnnotations& annotations, ClassMatchOptions options) {
  std::vector<std::string> names;
  for (const auto& category : annotations.categories) names.push_back(category.name);
  if (!annotations.annotations.empty()) {
    options.used.assign(names.size(), false);
    for (const auto& object : annotations.annotations) options.used[static_cast<size_t>(object.label)] = true;
  }
  options.set = annotations.name;
  auto match = match_classes(model_names, num_classes, names, options);
  CocoClasses classes;
  for (const auto label : match.set_class) {
    classes.ids.push_back(label == ClassMatch::kNone
                              ? std::nullopt
                              : std::optional(annotations.categories[static_cast<size_t>(label)].id));
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (match.left_out[i]) classes.left_out.insert(annotations.categories[i].id);
  }
  classes.notes = std::move(match.notes);
  return classes;
}

datasets::CocoAnnotations without_categories(datasets::CocoAnnotations annotations,
                                             const std::set<int64_t>& category_ids) {
  constexpr int64_t kGone = -1;
  std::vector<int64_t> labels;
  int64_t next = 0;
  for (const auto& category : annotations.categories) {
    labels.push_back(category_ids.contains(category.id) ? kGone : next++);
  }
  std::erase_if(annotations.categories, [&](const auto& category) { return category_ids.contains(category.id); });
  for (auto& object : annotations.annotations) object.label = labels[static_cast<size_t>(object.label)];
  std::erase_if(annotations.annotations, [](const auto& object) { return object.label == kGone; });
  return annotations;
}

void CocoCollector::add(std::vector<vision::Detection>&& detections, const datasets::ImageId& image_id) {
  for (auto& detection : detections) {
    const auto id = ids_.at(static_cast<size_t>(detection.label));
    if (!id) {
      ++dropped_;
      continue;
    }
    const auto& box = detection.box;
    auto& result = results_.emplace_back();
    result.image_id = image_id;
    result.category_id = *id;
    result.score = detection.score;
    result.box = datasets::CocoBox{box.x0, box.y0, box.width(), box.height()};
    result.rle = std::move(detection.mask);
  }
}

}  // namespace retentive::models
