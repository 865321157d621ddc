#include <algorithm>
#include <map>
#include <numeric>
#include <unordered_map>

#include <datasets/detail/coco_indices.h>
#include <datasets/detail/coco_matches.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {

namespace {

class Preparation {
 public:
  Preparation(const CocoAnnotations& set, std::span<const CocoResult> results, CocoOverlap type)
      : set_(set), results_(results), type_(type), ranks_(set.images.size()) {
    check_indices(set, "coco_eval");
    std::vector<int64_t> by_id(set.images.size());
    std::iota(by_id.begin(), by_id.end(), int64_t{0});
    std::sort(by_id.begin(), by_id.end(), [&](int64_t a, int64_t b) { return set.images[a].id < set.images[b].id; });
    for (size_t rank = 0; rank < by_id.size(); ++rank) {
      ranks_[by_id[rank]] = static_cast<int64_t>(rank);
      image_of_id_[set.images[by_id[rank]].id] = by_id[rank];
    }
    for (size_t i = 0; i < set.categories.size(); ++i) {
      label_of_id_[set.categories[i].id] = static_cast<int64_t>(i);
    }
  }

  EvalObject truth(int64_t index) const {
    const CocoAnnotation& annotation = set_.annotations[index];
    EvalObject object;
    object.box = annotation.box;
    object.area = annotation.area;
    object.crowd = annotation.crowd;
    object.counts = annotation.id != 0;
    if (type_ == CocoOverlap::bbox) return object;
    object.mask = mask_of(annotation.polygons, annotation.rle, annotation.image,
                          "the annotation with id " + std::to_string(annotation.id));
    return object;
  }

  EvalObject detection(int64_t index) const {
    const CocoResult& result = results_[index];
    EvalObject object;
    object.score = result.score;
    if (type_ == CocoOverlap::segm) object.mask = result_mask(index);
    if (result.box) {
      object.box = *result.box;
    } else if (result.rle) {
      const vision::Box around = rle_box(*result.rle);
      object.box = {around.x0, around.y0, around.width(), around.height()};
    } else {
      fail(index, "has no \"bbox\"; give [x, y, width, height]");
    }
    // As COCO's tools do, the first result decides what the area of all is.
    const bool by_box = results_[0].box.has_value() || !result.rle;
    object.area = by_box ? object.box[2] * object.box[3] : static_cast<double>(rle_area(*result.rle));
    return object;
  }

  std::vector<EvalCell> cells(int64_t most_detections, int64_t& dropped) const {
    std::map<std::pair<int64_t, int64_t>, EvalCell> found;
    for (size_t i = 0; i < set_.annotations.size(); ++i) {
      const CocoAnnotation& annotation = set_.annotations[i];
      found[{annotation.label, ranks_[annotation.image]}].truths.push_back(static_cast<int64_t>(i));
    }
    for (int64_t i = 0; i < static_cast<int64_t>(results_.size()); ++i) {
      const int64_t image = image_of(i);
      const auto label = label_of_id_.find(results_[i].category_id);
      if (label == label_of_id_.end()) {
        ++dropped;
      } else {
        found[{label->second, ranks_[image]}].detections.push_back(i);
      }
    }
    std::vector<EvalCell> cells;
    cells.reserve(found.size());
    for (auto& [key, cell] : found) {
      auto& order = cell.detections;
      std::stable_sort(order.begin(), order.end(),
                       [&](int64_t a, int64_t b) { return results_[a].score > results_[b].score; });
      if (static_cast<int64_t>(order.size()) > most_detections) order.resize(static_cast<size_t>(most_detections));
      cells.push_back({key.first, key.second, std::move(cell.truths), std::move(order)});
    }
    return cells;
  }

 private:
  [[noreturn]] void fail(int64_t index, const std::string& what) const {
    throw DataError("[coco_eval] result " + std::to_string(index) + " (image_id " + results_[index].image_id.shown() +
                    ") " + what);
  }

  int64_t image_of(int64_t index) const {
    const auto& id = results_[index].image_id;
    const auto at = image_of_id_.find(id);
    if (at != image_of_id_.end()) return at->second;
    fail(index, "has image_id " + id.shown() + ", which the images of " + set_.name +
                    " do not have; give the annotations that the results were made for");
  }

  RleMask result_mask(int64_t index) const {
    const CocoResult& result = results_[index];
    const std::string what = "result " + std::to_string(index);
    if (result.rle || !result.polygons.empty() || !result.box) {
      return mask_of(result.polygons, result.rle, image_of(index), what);
    }
    const auto [x, y, width, height] = *result.box;
    return mask_of({{x, y, x, y + height, x + width, y + height, x + width, y}}, {}, image_of(index), what);
  }

  RleMask mask_of(const std::vector<std::vector<double>>& polygons, const std::optional<RleMask>& rle, int64_t image,
                  const std::string& what) const {
    const auto& [id, height, width, file_name] = set_.images[image];
    const std::string place = " of the image with id " + id.shown();
    if (height <= 0 || width <= 0) {
      throw DataError("[coco_eval] " + set_.name + " does not say how large the image with id " + id.shown() +
                      " is, which masks need; add its \"height\" and \"width\"");
    }
    if (!rle && polygons.empty()) {
      throw DataError("[coco_eval] " + what + place + " has no mask; add \"segmentation\" or compare by bbox");
    }
    const RleMask mask = rle ? *rle : filled(polygons, height, width, what + place);
    if (mask.height == height && mask.width == width) return mask;
    throw DataError("[coco_eval] " + what + place + " has a mask of " + std::to_string(mask.height) + " x " +
                    std::to_string(mask.width) + " pixels (height x width) but the image has " +
                    std::to_string(height) + " x " + std::to_string(width) +
                    "; encode the mask at the size of its image");
  }

  static RleMask filled(const std::vector<std::vector<double>>& polygons, int64_t height, int64_t width,
                        const std::string& what) {
    try {
      return rle_from_polygons(polygons, height, width);
    } catch (const DataError& error) {
      throw DataError("[coco_eval] " + what + " has a damaged outline: " + error.what());
    }
  }

  const CocoAnnotations& set_;
  std::span<const CocoResult> results_;
  CocoOverlap type_;
  std::vector<int64_t> ranks_;  ///< of the images' ids
  std::map<ImageId, int64_t> image_of_id_;
  std::unordered_map<int64_t, int64_t> label_of_id_;
};

}  // namespace

EvalInput prepare_eval(const CocoAnnotations& annotations, std::span<const CocoResult> results, CocoOverlap type,
                       int64_t most_detections, int threads) {
  const Preparation preparation(annotations, results, type);
  EvalInput input;
  input.cells = preparation.cells(most_detections, input.dropped);
  input.truths.resize(annotations.annotations.size());
  input.detections.resize(results.size());
  for_each_task(static_cast<int64_t>(input.cells.size()), threads, [&](int64_t i) {
    for (const int64_t truth : input.cells[i].truths) input.truths[truth] = preparation.truth(truth);
    for (const int64_t found : input.cells[i].detections) input.detections[found] = preparation.detection(found);
  });
  return input;
}

}  // namespace retentive::datasets::detail
