#include <algorithm>
#include <cmath>
#include <set>

#include <datasets/coco.h>
#include <datasets/detail/coco_indices.h>
#include <datasets/detail/coco_record_json.h>
#include <retention/base/error.h>
#include <retention/base/output_file.h>

namespace retentive::datasets {

namespace {

using nlohmann::json;

[[noreturn]] void refuse(const char* where, const std::string& what, int64_t index, const std::string& accepted) {
  throw InvalidArgument(std::string("[") + where + "] " + what + " " + std::to_string(index) + " " + accepted);
}

template <class T>
void check_ids(const std::vector<T>& entries, const std::string& what) {
  std::set<ImageId> ids;
  for (size_t i = 0; i < entries.size(); ++i) {
    const ImageId id = entries[i].id;
    if (ids.insert(id).second) continue;
    refuse("write_coco", what, static_cast<int64_t>(i),
           "has the id " + id.shown() + " of one before it; ids must differ");
  }
}

void check_text(const std::string& what, const json& value) {
  try {
    value.dump();
  } catch (const json::exception&) {
    throw InvalidArgument("[write_coco] " + what + " has a name that is not UTF-8; rename it");
  }
}

bool finite(const CocoBox& box) {
  return std::all_of(box.begin(), box.end(), [](double value) { return std::isfinite(value); }) && box[2] >= 0 &&
         box[3] >= 0;
}

bool finite(const std::vector<std::vector<double>>& polygons) {
  return std::all_of(polygons.begin(), polygons.end(), [](const auto& outline) {
    return std::all_of(outline.begin(), outline.end(), [](double value) { return std::isfinite(value); });
  });
}

void check_annotations(const CocoAnnotations& set) {
  check_ids(set.images, "image");
  check_ids(set.categories, "category");
  check_ids(set.annotations, "annotation");
  detail::check_indices(set, "write_coco");
  for (size_t i = 0; i < set.annotations.size(); ++i) {
    const CocoAnnotation& annotation = set.annotations[i];
    if (!finite(annotation.box) || !(annotation.area >= 0) || !std::isfinite(annotation.area) ||
        !finite(annotation.polygons)) {
      refuse("write_coco", "annotation", static_cast<int64_t>(i),
             "has a box, area or outline that is not finite or of negative size");
    }
  }
}

/// Writes `"name": [entries]`, one a line, so that a set of any size is written piece by piece.
template <class T, class F>
void write_list(OutputFile& file, const std::vector<T>& entries, F&& to_json) {
  file.write("[");
  for (size_t i = 0; i < entries.size(); ++i) file.write((i == 0 ? "\n" : ",\n") + to_json(entries[i]).dump());
  file.write("]");
}

json image_json(const CocoImage& image) {
  json item = {{"id", detail::id_json(image.id)}, {"file_name", image.file_name}};
  if (image.height > 0 && image.width > 0) item.update({{"height", image.height}, {"width", image.width}});
  return item;
}

json category_json(const CocoCategory& category) {
  json item = {{"id", category.id}, {"name", category.name}};
  if (!category.supercategory.empty()) item["supercategory"] = category.supercategory;
  return item;
}

json annotation_json(const CocoAnnotations& set, const CocoAnnotation& annotation) {
  json item = {{"id", annotation.id},
               {"image_id", detail::id_json(set.images[annotation.image].id)},
               {"category_id", set.categories[annotation.label].id},
               {"bbox", annotation.box},
               {"area", annotation.area},
               {"iscrowd", annotation.crowd ? 1 : 0}};
  json mask = detail::segmentation_json(annotation.polygons, annotation.rle);
  if (!mask.is_null()) item["segmentation"] = std::move(mask);
  return item;
}

json result_json(const CocoResult& result) {
  json item = {
      {"image_id", detail::id_json(result.image_id)}, {"category_id", result.category_id}, {"score", result.score}};
  if (result.box) item["bbox"] = *result.box;
  json mask = detail::segmentation_json(result.polygons, result.rle);
  if (!mask.is_null()) item["segmentation"] = std::move(mask);
  return item;
}

}  // namespace

void detail::check_indices(const CocoAnnotations& set, const char* where) {
  const auto images = static_cast<int64_t>(set.images.size());
  const auto categories = static_cast<int64_t>(set.categories.size());
  for (size_t i = 0; i < set.annotations.size(); ++i) {
    const int64_t image = set.annotations[i].image, label = set.annotations[i].label;
    if (image >= 0 && image < images && label >= 0 && label < categories) continue;
    refuse(where, "annotation", static_cast<int64_t>(i),
           "is of image " + std::to_string(image) + " and label " + std::to_string(label) + "; there are " +
               std::to_string(images) + " images and " + std::to_string(categories) + " categories");
  }
}

void write_coco(const std::filesystem::path& path, const CocoAnnotations& annotations) {
  check_annotations(annotations);
  for (const CocoImage& image : annotations.images) {
    check_text("image with id " + image.id.shown(), image_json(image));
  }
  for (const CocoCategory& category : annotations.categories) {
    check_text("category with id " + std::to_string(category.id), category_json(category));
  }
  OutputFile file(path, "write_coco");
  file.write("{\"images\": ");
  write_list(file, annotations.images, image_json);
  file.write(",\n\"categories\": ");
  write_list(file, annotations.categories, category_json);
  file.write(",\n\"annotations\": ");
  write_list(file, annotations.annotations,
             [&](const CocoAnnotation& annotation) { return annotation_json(annotations, annotation); });
  file.write("}\n");
  file.commit();
}

void write_coco_results(const std::filesystem::path& path, std::span<const CocoResult> results) {
  for (size_t i = 0; i < results.size(); ++i) {
    const CocoResult& result = results[i];
    if (std::isfinite(result.score) && (!result.box || finite(*result.box)) && finite(result.polygons)) continue;
    refuse("write_coco_results", "result", static_cast<int64_t>(i),
           "has a score, box or outline that is not finite or of negative size");
  }
  OutputFile file(path, "write_coco_results");
  file.write("[");
  for (size_t i = 0; i < results.size(); ++i) file.write((i == 0 ? "\n" : ",\n") + result_json(results[i]).dump());
  file.write("]\n");
  file.commit();
}

}  // namespace retentive::datasets
