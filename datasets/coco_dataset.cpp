#include <algorithm>
#include <utility>

#include <datasets/coco.h>
#include <datasets/detail/coco_indices.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace {

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw DataError("[coco] " + name + " " + what);
}

std::string size_text(int64_t height, int64_t width) { return std::to_string(height) + " x " + std::to_string(width); }

/// The object with its box clipped to the image; nothing when it is degenerate.
std::optional<ObjectAnnotation> object_of(CocoAnnotation&& annotation, const CocoImage& image) {
  const CocoBox& box = annotation.box;
  const auto width = static_cast<double>(image.width), height = static_cast<double>(image.height);
  const double x0 = std::clamp(box[0], 0.0, width), x1 = std::clamp(box[0] + box[2], 0.0, width);
  const double y0 = std::clamp(box[1], 0.0, height), y1 = std::clamp(box[1] + box[3], 0.0, height);
  if (x1 - x0 < 1 || y1 - y0 < 1 || annotation.area <= 0) return std::nullopt;
  ObjectAnnotation object;
  object.box = {static_cast<float>(x0), static_cast<float>(y0), static_cast<float>(x1), static_cast<float>(y1)};
  object.label = annotation.label;
  object.crowd = annotation.crowd;
  object.area = annotation.area;
  object.polygons = std::move(annotation.polygons);
  object.rle = std::move(annotation.rle);
  return object;
}

}  // namespace

void check_annotated_size(const CocoImage& annotated, const std::string& path, const ImageHeader& header,
                          bool ignore_orientation) {
  const bool turned = header.orientation >= 5;
  std::array size = {header.height, header.width}, turned_size = {header.width, header.height};
  if (turned && !ignore_orientation) std::swap(size, turned_size);
  const std::array wanted = {annotated.height, annotated.width};
  if (size == wanted || annotated.height == 0) return;
  const bool other_way = turned && turned_size == wanted;
  fail(path,
       "is " + size_text(size[0], size[1]) + " pixels (height x width)" +
           (turned && !ignore_orientation ? " as its EXIF orientation turns it" : "") + " but annotated as " +
           size_text(wanted[0], wanted[1]) + " (image id " + annotated.id.shown() + "); " +
           (!other_way           ? "give the folder of the images that were annotated"
            : ignore_orientation ? "the annotations fit the turned image: do without --ignore-orientation (train: "
                                   "data.ignore_orientation)"
                                 : "the annotations fit the image as it is stored: give --ignore-orientation "
                                   "(train: data.ignore_orientation=true)"));
}

CocoDataset::CocoDataset(const std::filesystem::path& annotations, std::filesystem::path images,
                         const CocoDatasetOptions& options)
    : CocoDataset(read_coco(annotations), std::move(images), options) {}

CocoDataset::CocoDataset(CocoAnnotations annotations, std::filesystem::path images, const CocoDatasetOptions& options)
    : folder_(std::move(images)), decode_(options.decode) {
  detail::check_indices(annotations, "coco");
  for (const CocoCategory& category : annotations.categories) {
    class_names_.push_back(category.name);
    category_ids_.push_back(category.id);
  }
  std::vector<Entry> all;
  for (CocoImage& image : annotations.images) {
    if (image.height <= 0 || image.width <= 0) {
      fail(annotations.name,
           "does not say how large the image with id " + image.id.shown() + " is; add its \"height\" and \"width\"");
    }
    all.push_back({std::move(image), {}});
  }
  for (CocoAnnotation& annotation : annotations.annotations) {
    Entry& entry = all[annotation.image];
    if (auto object = object_of(std::move(annotation), entry.image)) entry.objects.push_back(*std::move(object));
  }
  for (Entry& entry : all) {
    if (options.skip_empty && entry.objects.empty()) continue;
    if (std::min(entry.image.height, entry.image.width) >= options.min_size) entries_.push_back(std::move(entry));
  }
  if (entries_.empty()) {
    fail(annotations.name, "has no image that can be used: none has objects or sides of at least " +
                               std::to_string(options.min_size) + " pixels; add annotations or larger images");
  }
}

const CocoDataset::Entry& CocoDataset::entry(int64_t index) const {
  if (index >= 0 && index < size()) return entries_[index];
  throw InvalidArgument("[coco] index " + std::to_string(index) + " is outside of a set of " + std::to_string(size()) +
                        " images");
}

int64_t CocoDataset::size() const { return static_cast<int64_t>(entries_.size()); }

DetectionSample CocoDataset::get(int64_t index) const {
  const Entry& found = entry(index);
  const std::filesystem::path path = folder_ / found.image.file_name;
  DetectionSample sample{decode_image(path, decode_), found.objects, found.image.id, path.string()};
  if (sample.image.height != found.image.height || sample.image.width != found.image.width) {
    check_annotated_size(found.image, sample.name, read_image_header(path), decode_.ignore_orientation);
  }
  return sample;
}

std::array<int64_t, 2> CocoDataset::image_size(int64_t index) const {
  const CocoImage& image = entry(index).image;
  return {image.height, image.width};
}

const std::vector<std::string>& CocoDataset::class_names() const { return class_names_; }

const ImageId& CocoDataset::image_id(int64_t index) const { return entry(index).image.id; }

std::vector<std::filesystem::path> CocoDataset::files() const {
  std::vector<std::filesystem::path> paths;
  for (const Entry& entry : entries_) paths.push_back(folder_ / entry.image.file_name);
  return paths;
}

}  // namespace retentive::datasets
