#include <models/detection/detect_dataset.h>

#include <string>
#include <utility>

#include <datasets/detection_loader.h>
#include <models/detection/detections.h>
#include <models/eval_mode.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

void check_classes(const vision::DetectorImpl& detector, const datasets::CocoDataset& dataset) {
  const auto classes = static_cast<int64_t>(dataset.class_names().size());
  if (detector.num_classes() == classes) return;
  throw InvalidArgument("[detect] the model knows " + std::to_string(detector.num_classes()) +
                        " classes and the annotations have " + std::to_string(classes) +
                        " categories; both must be the same ones");
}

}  // namespace

void detect_dataset(vision::DetectorImpl& detector, const datasets::CocoDataset& dataset,
                    const DetectDatasetOptions& options, CocoCollector& found) {
  const torch::NoGradGuard no_grad;
  const EvalMode mode(detector);
  datasets::DetectionLoaderOptions loading;
  loading.batch_size = 1;
  loading.workers = options.workers;
  loading.preprocessing = options.preprocessing;
  loading.group_by_aspect = false;
  const datasets::DetectionLoader loader(dataset, loading);
  int64_t done = 0;
  auto epoch = loader.epoch(0);
  while (auto batch = epoch.next()) {
    if (options.stop != nullptr && *options.stop) break;
    const auto images =
        torch::from_blob(batch->images.data(), {batch->size, batch->channels, batch->height, batch->width});
    const auto& item = batch->items.front();
    const auto objects = detector.detect(images, {{item.resized.height, item.resized.width}}).front();
    const DetectedImage image{item.resized, item.original_height, item.original_width};
    found.add(to_detections(objects, image, detector.mask_threshold()), item.image_id);
    if (options.progress) options.progress(++done, dataset.size());
  }
}

std::vector<datasets::CocoResult> detect_dataset(vision::DetectorImpl& detector, const datasets::CocoDataset& dataset,
                                                 const DetectDatasetOptions& options) {
  check_classes(detector, dataset);
  CocoCollector found({dataset.category_ids().begin(), dataset.category_ids().end()});
  detect_dataset(detector, dataset, options, found);
  return std::move(found.results());
}

}  // namespace retentive::models
