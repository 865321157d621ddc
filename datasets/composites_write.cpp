#include <exception>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <datasets/composites.h>
#include <datasets/image_io.h>
#include <datasets/rle.h>
#include <retention/base/error.h>
#include <retention/base/parallel_for.h>

namespace retentive::datasets {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

[[noreturn]] void fail(const fs::path& path, const std::string& what) {
  throw DataError("[composites] " + path.string() + " " + what);
}

void write_bytes(const fs::path& path, const char* bytes, size_t count) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes, static_cast<std::streamsize>(count));
  if (!file.flush()) fail(path, "cannot be written; check that its folder is writable and has space");
}

void write_text(const fs::path& path, const std::string& text) { write_bytes(path, text.data(), text.size()); }

fs::path annotations_of(const fs::path& out, int split) {
  return out / "annotations" / (std::string(kCompositeSplits[split]) + ".json");
}

/// Makes the folders; what an earlier run left in them is removed when that is allowed.
void prepare(const Composites& composites, const fs::path& out, bool force) {
  std::error_code error;
  if (fs::exists(out) && !(fs::is_directory(out) && fs::is_empty(out)) && !force) {
    fail(out, "is not an empty folder; give another, or replace the data set in it with force");
  }
  fs::remove(out / "splits.json", error);
  for (int split = 0; split < 3; ++split) {
    const fs::path images = out / kCompositeSplits[split] / "images";
    fs::remove_all(images, error);
    fs::remove(annotations_of(out, split), error);
    if (composites.options().images[split] > 0) fs::create_directories(images, error);
    if (error) fail(images, "cannot be made (" + error.message() + "); check its permissions");
  }
  fs::create_directories(out / "annotations", error);
  if (error) fail(out / "annotations", "cannot be made (" + error.message() + "); check its permissions");
}

/// What the annotations keep of an image.
struct Written {
  std::string name;
  int64_t height = 0;
  int64_t width = 0;
  std::vector<ObjectAnnotation> objects;
};

Written write_one(const Composites& composites, const fs::path& images, int split, int64_t index) {
  DetectionSample sample = composites.make(split, index);
  const auto& options = composites.options();
  const auto bytes =
      options.format == "jpg" ? encode_jpeg(sample.image, static_cast<int>(options.quality)) : encode_png(sample.image);
  write_bytes(images / sample.name, reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return {sample.name, sample.image.height, sample.image.width, std::move(sample.objects)};
}

std::vector<Written> write_images(const Composites& composites, const fs::path& images, int split,
                                  const CompositeWriting& writing) {
  const int64_t count = composites.options().images[split];
  std::vector<Written> written(count);
  std::mutex mutex;
  std::exception_ptr error;
  int64_t failed = count;  // the first image that threw, whichever thread came first
  parallel_for(count, std::max(1, writing.threads), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      try {
        {
          const std::lock_guard lock(mutex);
          if (failed < i) return;
        }
        written[i] = write_one(composites, images, split, i);
        const std::lock_guard lock(mutex);
        if (writing.progress) writing.progress();
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (i < failed) error = std::current_exception(), failed = i;
      }
    }
  });
  if (error) std::rethrow_exception(error);
  return written;
}

Json annotation(const ObjectAnnotation& object, int64_t id, int64_t image_id) {
  const vision::Box& box = object.box;
  return {{"id", id},
          {"image_id", image_id},
          {"category_id", object.label + 1},
          {"bbox", {box.x0, box.y0, box.width(), box.height()}},
          {"area", object.area},
          {"iscrowd", 0},
          {"segmentation", {{"size", {object.rle->height, object.rle->width}}, {"counts", rle_to_text(*object.rle)}}}};
}

Json coco(const Composites& composites, const std::vector<Written>& written) {
  Json images = Json::array(), annotations = Json::array(), categories = Json::array();
  for (size_t i = 0; i < written.size(); ++i) {
    const auto image_id = static_cast<int64_t>(i) + 1;
    images.push_back(
        {{"id", image_id}, {"file_name", written[i].name}, {"width", written[i].width}, {"height", written[i].height}});
    for (const auto& object : written[i].objects) {
      annotations.push_back(annotation(object, std::ssize(annotations) + 1, image_id));
    }
  }
  for (const std::string& name : composites.class_names()) {
    categories.push_back({{"id", std::ssize(categories) + 1}, {"name", name}});
  }
  return {{"images", images}, {"annotations", annotations}, {"categories", categories}};
}

Json splits(const Composites& composites) {
  Json json = Json::object();
  CompositeOptions::visit(composites.options(),
                          [&](const char* name, const auto& value, const char*) { json["options"][name] = value; });
  json["left_out_as_duplicates"] = composites.duplicates();
  for (int split = 0; split < 3; ++split) {
    const CompositeLists lists = composites.lists(split);
    json[kCompositeSplits[split]] = {{"objects", lists.objects}, {"backgrounds", lists.backgrounds}};
  }
  return json;
}

}  // namespace

CompositeSummary write_composites(const Composites& composites, const fs::path& out, const CompositeWriting& writing) {
  prepare(composites, out, writing.force);
  CompositeSummary summary;
  for (int split = 0; split < 3; ++split) {
    if (composites.options().images[split] == 0) continue;
    const auto written = write_images(composites, out / kCompositeSplits[split] / "images", split, writing);
    for (const Written& image : written) summary.objects[split] += std::ssize(image.objects);
    summary.images[split] = std::ssize(written);
    write_text(annotations_of(out, split), coco(composites, written).dump(-1, ' ', true) + "\n");
  }
  write_text(out / "splits.json", splits(composites).dump(1, ' ', true) + "\n");
  return summary;
}

}  // namespace retentive::datasets
