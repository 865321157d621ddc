#include <algorithm>
#include <exception>
#include <mutex>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <datasets/coco.h>
#include <datasets/composites.h>
#include <datasets/image_folder.h>
#include <datasets/image_io.h>
#include <retention/base/output_file.h>
#include <retention/base/output_folder.h>
#include <retention/base/parallel_for.h>
#include <retention/base/run_files.h>

namespace retentive::datasets {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

constexpr const char* kWhere = "composites";
constexpr const char* kSplitsFile = "splits.json";

std::string images_of(int split) { return std::string(kCompositeSplits[split]) + "/images/"; }
std::string annotations_of(int split) { return "annotations/" + std::string(kCompositeSplits[split]) + ".json"; }

/// Everything that a set of these options has, below its folder.
std::vector<std::string> files_of(const CompositeOptions& options) {
  std::vector<std::string> names = {kSplitsFile};
  for (int split = 0; split < 3; ++split) {
    if (options.images[split] == 0) continue;
    names.push_back(annotations_of(split));
    for (int64_t i = 0; i < options.images[split]; ++i) {
      names.push_back(images_of(split) + composite_name(options, i));
    }
  }
  return names;
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
  write_output(images / sample.name, kWhere, std::as_bytes(std::span(bytes)), Flush::later);
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

void check_composites_output(const CompositeInputs& inputs, const CompositeOptions& options, const fs::path& out,
                             bool force) {
  const OutputFolder folder(out, kWhere);
  folder.check(force);
  auto names = files_of(options);
  for (const fs::path& file : folder.own()) names.push_back(file.lexically_relative(out).string());
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  RunFiles files(kWhere);
  files.read(inputs.digits).read(inputs.digit_images).read(inputs.digit_labels);
  for (const fs::path& pictures : {inputs.cutouts, inputs.backgrounds}) {
    if (!pictures.empty()) files.read_all(list_images(pictures));
  }
  files.write_below("the data set's", out, names).check();
}

CompositeSummary write_composites(const Composites& composites, const fs::path& out, const CompositeWriting& writing) {
  check_composites_output(composites.inputs(), composites.options(), out, writing.force);
  OutputFolder(out, kWhere).begin(files_of(composites.options()), writing.force);
  CompositeSummary summary;
  for (int split = 0; split < 3; ++split) {
    if (composites.options().images[split] == 0) continue;
    const auto written = write_images(composites, out / images_of(split), split, writing);
    for (const Written& image : written) summary.objects[split] += std::ssize(image.objects);
    summary.images[split] = std::ssize(written);
    write_coco(out / annotations_of(split), coco(composites, written));
  }
  write_output(out / kSplitsFile, kWhere, splits(composites).dump(1, ' ', true) + "\n");
  return summary;
}

}  // namespace retentive::datasets
