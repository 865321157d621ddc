#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include <datasets/coco.h>
#include <datasets/detail/coco_record_json.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace {

using detail::CocoRecord;

/// Gathers the sections in whatever order they stand in, then replaces ids by indices.
class AnnotationReader {
 public:
  AnnotationReader(const std::filesystem::path& path, const CocoReadOptions& options) : path_(path), options_(options) {
    set_.name = path.string();
  }

  CocoAnnotations read() && {
    detail::read_coco_records(path_, {"images", "categories", "annotations"},
                              [this](const std::string& section, const CocoRecord& record) {
                                if (section == "images") {
                                  add_image(record);
                                } else if (section == "categories") {
                                  add_category(record);
                                } else {
                                  add_annotation(record);
                                }
                              });
    if (set_.images.empty()) fail("has no images; a list \"images\" with id, file_name, height, width is accepted");
    if (set_.categories.empty()) fail("has no categories; a list \"categories\" with id and name is accepted");
    sort_categories();
    for (size_t i = 0; i < set_.annotations.size(); ++i) resolve(set_.annotations[i], image_of_[i]);
    return std::move(set_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw DataError("[coco] " + set_.name + " " + what); }

  /// Registers the id of an entry, which must be new.
  template <class Ids, class Id>
  static Id new_id(const CocoRecord& record, Ids& ids, const Id& id, size_t index) {
    const auto [at, fresh] = ids.emplace(id, static_cast<int64_t>(index));
    if (!fresh) {
      record.fail("has the id of entry " + std::to_string(at->second) + "; ids must differ: renumber the entries");
    }
    return id;
  }

  void add_image(const CocoRecord& record) {
    CocoImage image;
    image.id = new_id(record, image_ids_, record.image_id("id"), set_.images.size());
    image.file_name = record.text("file_name");
    std::replace(image.file_name.begin(), image.file_name.end(), '\\', '/');  // as Windows writes them
    if (record.find("height") || record.find("width")) {
      image.height = side(record, "height");
      image.width = side(record, "width");
    }
    set_.images.push_back(std::move(image));
  }

  static int64_t side(const CocoRecord& record, const char* key) {
    constexpr int64_t kLongest = 65'535;  // squared, it still fits the counts of a mask
    const int64_t pixels = record.integer(key);
    if (pixels < 1 || pixels > kLongest) record.refuse(key, "1 to " + std::to_string(kLongest) + " pixels");
    return pixels;
  }

  void add_category(const CocoRecord& record) {
    CocoCategory category;
    category.id = new_id(record, category_ids_, record.integer("id"), set_.categories.size());
    category.name = record.text("name");
    if (record.find("supercategory")) category.supercategory = record.text("supercategory");
    set_.categories.push_back(std::move(category));
  }

  /// `label` stays an id, and the image's stands in `image_of_`, until all sections have been read.
  void add_annotation(const CocoRecord& record) {
    CocoAnnotation annotation;
    annotation.id = new_id(record, annotation_ids_, record.integer("id"), set_.annotations.size());
    image_of_.push_back(record.image_id("image_id"));
    annotation.label = record.integer("category_id");
    if (record.find("iscrowd")) {
      const int64_t crowd = record.integer("iscrowd");
      if (crowd != 0 && crowd != 1) record.refuse("iscrowd", "0 or 1");
      annotation.crowd = crowd == 1;
    }
    const auto box = record.box();
    if (options_.masks || !box) record.segmentation(annotation.polygons, annotation.rle);
    annotation.box = box ? *box : box_around(record, annotation.rle);
    annotation.area =
        annotation.rle ? static_cast<double>(rle_area(*annotation.rle)) : annotation.box[2] * annotation.box[3];
    if (record.find("area")) annotation.area = record.number("area");
    if (annotation.area < 0) record.refuse("area", "a number of at least 0");
    set_.annotations.push_back(std::move(annotation));
  }

  static CocoBox box_around(const CocoRecord& record, const std::optional<RleMask>& rle) {
    if (!rle) record.refuse("bbox", "[x, y, width, height]");
    const vision::Box around = rle_box(*rle);
    return {around.x0, around.y0, around.width(), around.height()};
  }

  void sort_categories() {
    auto& categories = set_.categories;
    std::sort(categories.begin(), categories.end(),
              [](const CocoCategory& a, const CocoCategory& b) { return a.id < b.id; });
    for (size_t i = 0; i < categories.size(); ++i) category_ids_[categories[i].id] = static_cast<int64_t>(i);
  }

  void resolve(CocoAnnotation& annotation, const ImageId& image_id) const {
    const auto image_at = image_ids_.find(image_id);
    if (image_at == image_ids_.end()) fail_unknown(annotation, "image_id " + image_id.shown(), "images");
    annotation.image = image_at->second;
    const auto label_at = category_ids_.find(annotation.label);
    if (label_at == category_ids_.end()) {
      fail_unknown(annotation, "category_id " + std::to_string(annotation.label), "categories");
    }
    annotation.label = label_at->second;
    const CocoImage& image = set_.images[annotation.image];
    if (!annotation.rle || image.height == 0) return;
    const RleMask& mask = *annotation.rle;
    if (mask.height == image.height && mask.width == image.width) return;
    fail("has a mask of " + std::to_string(mask.height) + " x " + std::to_string(mask.width) +
         " pixels in the annotation with id " + std::to_string(annotation.id) + ", but its image with id " +
         image.id.shown() + " has " + std::to_string(image.height) + " x " + std::to_string(image.width) +
         " (height x width); encode the mask at the size of its image");
  }

  [[noreturn]] void fail_unknown(const CocoAnnotation& annotation, const std::string& what,
                                 const std::string& section) const {
    fail("has the annotation with id " + std::to_string(annotation.id) + " with " + what + ", which \"" + section +
         "\" does not have; add it there or remove the annotation");
  }

  std::filesystem::path path_;
  CocoReadOptions options_;
  CocoAnnotations set_;
  std::vector<ImageId> image_of_;  ///< of each annotation
  std::map<ImageId, int64_t> image_ids_;
  std::unordered_map<int64_t, int64_t> category_ids_;
  std::unordered_map<int64_t, int64_t> annotation_ids_;
};

}  // namespace

CocoAnnotations read_coco(const std::filesystem::path& path, const CocoReadOptions& options) {
  return AnnotationReader(path, options).read();
}

std::vector<CocoResult> read_coco_results(const std::filesystem::path& path, const CocoReadOptions& options) {
  std::vector<CocoResult> results;
  detail::read_coco_records(path, {}, [&](const std::string&, const CocoRecord& record) {
    CocoResult& result = results.emplace_back();
    result.image_id = record.image_id("image_id");
    result.category_id = record.integer("category_id");
    result.score = record.number("score");
    result.box = record.box();
    if (options.masks || !result.box) record.segmentation(result.polygons, result.rle);
    if (!result.box && !result.rle) record.refuse("bbox", "[x, y, width, height], or a \"segmentation\" of runs,");
  });
  return results;
}

std::optional<RleMask> annotation_mask(const CocoAnnotation& annotation, int64_t height, int64_t width) {
  if (annotation.rle) return annotation.rle;
  if (annotation.polygons.empty()) return std::nullopt;
  return rle_from_polygons(annotation.polygons, height, width);
}

}  // namespace retentive::datasets
