#include <algorithm>
#include <exception>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <datasets/coco.h>
#include <datasets/composites.h>
#include <datasets/detail/whole_file.h>
#include <datasets/image_io.h>
#include <retention/base/error.h>
#include <retention/base/parallel_for.h>

namespace retentive::datasets {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

[[noreturn]] void fail(const fs::path& path, const std::string& what) {
  throw DataError("[composites] " + path.string() + " " + what);
}

void write_bytes(const fs::path& path, const std::vector<uint8_t>& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) fail(path, "cannot be written; check that its folder is writable and has space");
}

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
  write_bytes(images / sample.name, bytes);
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

CocoAnnotations coco(const Composites& composites, const std::vector<Written>& written) {
  CocoAnnotations coco;
  for (size_t i = 0; i < written.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    coco.images.push_back({index + 1, written[i].height, written[i].width, written[i].name});
    for (const ObjectAnnotation& object : written[i].objects) {
      CocoAnnotation annotation;
      annotation.id = std::ssize(coco.annotations) + 1;
      annotation.image = index;
      annotation.label = object.label;
      annotation.box = {object.box.x0, object.box.y0, object.box.width(), object.box.height()};
      annotation.area = object.area;
      annotation.rle = object.rle;
      coco.annotations.push_back(std::move(annotation));
    }
  }
  for (const std::string& name : composites.class_names()) {
    coco.categories.push_back({std::ssize(coco.categories) + 1, name, ""});
  }
  return coco;
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
    write_coco(annotations_of(out, split), coco(composites, written));
  }
  detail::WholeFile lists(out / "splits.json", "composites");
  lists.write(splits(composites).dump(1, ' ', true) + "\n");
  lists.commit();
  return summary;
}

}  // namespace retentive::datasets
