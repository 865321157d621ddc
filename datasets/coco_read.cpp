#include <algorithm>
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
  explicit AnnotationReader(const std::filesystem::path& path) : path_(path) { set_.name = path.string(); }

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
    for (CocoAnnotation& annotation : set_.annotations) resolve(annotation);
    return std::move(set_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw DataError("[coco] " + set_.name + " " + what); }

  /// The id of an entry, which must be new.
  int64_t new_id(const CocoRecord& record, std::unordered_map<int64_t, int64_t>& ids, size_t index) const {
    const int64_t id = record.integer("id");
    const auto [at, fresh] = ids.emplace(id, static_cast<int64_t>(index));
    if (!fresh) {
      record.fail("has the id of entry " + std::to_string(at->second) + "; ids must differ: renumber the entries");
    }
    return id;
  }

  void add_image(const CocoRecord& record) {
    CocoImage image;
    image.id = new_id(record, image_ids_, set_.images.size());
    image.file_name = record.text("file_name");
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
    category.id = new_id(record, category_ids_, set_.categories.size());
    category.name = record.text("name");
    if (record.find("supercategory")) category.supercategory = record.text("supercategory");
    set_.categories.push_back(std::move(category));
  }

  /// `image` and `label` stay ids until all sections have been read.
  void add_annotation(const CocoRecord& record) {
    CocoAnnotation annotation;
    annotation.id = new_id(record, annotation_ids_, set_.annotations.size());
    annotation.image = record.integer("image_id");
    annotation.label = record.integer("category_id");
    if (record.find("iscrowd")) {
      const int64_t crowd = record.integer("iscrowd");
      if (crowd != 0 && crowd != 1) record.refuse("iscrowd", "0 or 1");
      annotation.crowd = crowd == 1;
    }
    record.segmentation(annotation.polygons, annotation.rle);
    annotation.box = read_box(record, annotation.rle);
    annotation.area =
        annotation.rle ? static_cast<double>(rle_area(*annotation.rle)) : annotation.box[2] * annotation.box[3];
    if (record.find("area")) annotation.area = record.number("area");
    if (annotation.area < 0) record.refuse("area", "a number of at least 0");
    set_.annotations.push_back(std::move(annotation));
  }

  static CocoBox read_box(const CocoRecord& record, const std::optional<RleMask>& rle) {
    const auto box = record.box();
    if (box) return *box;
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

  void resolve(CocoAnnotation& annotation) const {
    annotation.image = index_of(image_ids_, annotation, annotation.image, "image_id", "images");
    annotation.label = index_of(category_ids_, annotation, annotation.label, "category_id", "categories");
    const CocoImage& image = set_.images[annotation.image];
    if (!annotation.rle || image.height == 0) return;
    const RleMask& mask = *annotation.rle;
    if (mask.height == image.height && mask.width == image.width) return;
    fail("has a mask of " + std::to_string(mask.height) + " x " + std::to_string(mask.width) +
         " pixels in the annotation with id " + std::to_string(annotation.id) + ", but its image with id " +
         std::to_string(image.id) + " has " + std::to_string(image.height) + " x " + std::to_string(image.width) +
         " (height x width); encode the mask at the size of its image");
  }

  int64_t index_of(const std::unordered_map<int64_t, int64_t>& ids, const CocoAnnotation& annotation, int64_t id,
                   const std::string& key, const std::string& section) const {
    const auto at = ids.find(id);
    if (at != ids.end()) return at->second;
    fail("has the annotation with id " + std::to_string(annotation.id) + " with " + key + " " + std::to_string(id) +
         ", which \"" + section + "\" does not have; add it there or remove the annotation");
  }

  std::filesystem::path path_;
  CocoAnnotations set_;
  std::unordered_map<int64_t, int64_t> image_ids_;
  std::unordered_map<int64_t, int64_t> category_ids_;
  std::unordered_map<int64_t, int64_t> annotation_ids_;
};

}  // namespace

CocoAnnotations read_coco(const std::filesystem::path& path) { return AnnotationReader(path).read(); }

std::vector<CocoResult> read_coco_results(const std::filesystem::path& path) {
  std::vector<CocoResult> results;
  detail::read_coco_records(path, {}, [&](const std::string&, const CocoRecord& record) {
    CocoResult& result = results.emplace_back();
    result.image_id = record.integer("image_id");
    result.category_id = record.integer("category_id");
    result.score = record.number("score");
    result.box = record.box();
    record.segmentation(result.polygons, result.rle);
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
