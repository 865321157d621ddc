#include <models/training/task.h>

namespace retentive::models {

TrainingTask::~TrainingTask() = default;

std::unique_ptr<TrainingTask> make_task(const RunConfig& config) {
  if (config.data.kind == DataKind::text) return make_language_task(config);
  return config.data.kind == DataKind::coco ? make_detection_task(config) : make_classification_task(config);
}

}  // namespace retentive::models
