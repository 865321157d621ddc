#include <models/detection/detections.h>

#include <datasets/rle.h>
#include <retention/ops/boxes.h>

namespace retentive::models {
namespace {

vision::RleMask paste(const torch::Tensor& mask, const vision::Box& box, const DetectedImage& image, double threshold) {
  const auto boxes = torch::tensor({box.x0, box.y0, box.x1, box.y1}).unsqueeze(0);
  const auto pasted = paste_masks(mask.unsqueeze(0), boxes, image.height, image.width, threshold);  // [1, H, W]
  return datasets::rle_encode(pasted.const_data_ptr<uint8_t>(), image.height, image.width);
}

}  // namespace

std::vector<vision::Detection> to_detections(const vision::DetectedObjects& objects, const DetectedImage& image,
                                             double mask_threshold) {
  const auto boxes = objects.boxes.to(torch::kFloat).contiguous();  // [n, 4]
  const auto scores = objects.scores.to(torch::kDouble).contiguous();
  std::vector<vision::Detection> detections;
  for (int64_t i = 0; i < boxes.size(0); ++i) {
    const float* const corner = boxes.const_data_ptr<float>() + 4 * i;
    const auto box = datasets::to_original({corner[0], corner[1], corner[2], corner[3]}, image.resized);
    if (!(box.width() > 0 && box.height() > 0)) continue;
    detections.push_back({.box = box,
                          .label = objects.labels.const_data_ptr<int64_t>()[i],
                          .score = scores.const_data_ptr<double>()[i],
                          .mask = std::nullopt});
    if (objects.masks.defined()) detections.back().mask = paste(objects.masks[i], box, image, mask_threshold);
  }
  return detections;
}

}  // namespace retentive::models
