#include <optional>

#include <datasets/coco.h>
#include <datasets/coco_eval.h>
#include <datasets/detection_loader.h>
#include <models/detection/detect_dataset.h>
#include <models/registry.h>
#include <models/training/data_fingerprint.h>
#include <models/training/initial_weights.h>
#include <models/training/run_model.h>
#include <models/training/task.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

// What of a loaded image trains a detector: crowds do not.
vision::DetectionTarget target_of(const datasets::DetectionItem& item, bool masks) {
  std::vector<float> boxes;
  std::vector<int64_t> labels, kept;
  for (size_t i = 0; i < item.boxes.size(); ++i) {
    if (item.crowd[i] != 0) continue;
    const auto& box = item.boxes[i];
    boxes.insert(boxes.end(), {box.x0, box.y0, box.x1, box.y1});
    labels.push_back(item.labels[i]);
    kept.push_back(static_cast<int64_t>(i));
  }
  const auto n = static_cast<int64_t>(labels.size());
  vision::DetectionTarget target{
      torch::tensor(boxes, torch::kFloat).view({n, 4}), torch::tensor(labels, torch::kLong), {}};
  if (!masks) return target;
  const auto all = torch::from_blob(const_cast<uint8_t*>(item.masks.data()),
                                    {static_cast<int64_t>(item.boxes.size()), item.resized.height, item.resized.width},
                                    torch::kByte);
  target.masks = all.index_select(0, torch::tensor(kept, torch::kLong));
  return target;
}

// Gives a detector the classes of its data.
struct ClassFitter {
  int64_t classes;
  void operator()(vision::RetinanetConfig& config) const { config.num_classes = classes; }
  void operator()(vision::MaskRcnnConfig& config) const { config.num_classes = classes; }
  template <class Other>
  void operator()(Other&) const {
    throw ConfigError(
        "[train] the model is no detector and data.kind is \"coco\"; name a detector (retinanet_rmt_t, "
        "mask_rcnn_rmt_t, ...: `retentive models`), or other data");
  }
};

Architecture detector_of(const RunConfig& run, int64_t classes) {
  auto result = architecture_of(run);
  std::visit(ClassFitter{classes}, result.config);
  check_input(result);
  datasets::check_detection_preprocessing(result.preprocessing);
  return result;
}

datasets::DecodeOptions decoding(const RunConfig& run) { return {.ignore_orientation = run.data.ignore_orientation}; }

std::vector<std::optional<int64_t>> validation_ids(const datasets::CocoDataset& train,
                                                   const datasets::CocoAnnotations& validation) {
  ClassMatchOptions options;
  options.where = "train";
  const auto& names = train.class_names();
  return match_categories(names, static_cast<int64_t>(names.size()), validation, options).ids;
}

class DetectionTask final : public TrainingTask {
 public:
  explicit DetectionTask(const RunConfig& run)
      : run_(run),
        train_(run.data.train_labels, run.data.train, {.skip_empty = true, .decode = decoding(run)}),
        truth_(datasets::read_coco(run.data.validation_labels)),
        validation_(truth_, run.data.validation, {.decode = decoding(run)}),
        category_ids_(validation_ids(train_, truth_)),
        setup_(detector_of(run, static_cast<int64_t>(train_.class_names().size()))),
        model_(as_detector(build(setup_.config, static_cast<uint64_t>(run.run.seed)), "train")),
        loader_(train_, loader_options()) {
    if (!run.model.weights.empty()) {
      notes_ = load_detector_weights(*model_, run.model.weights, train_.class_names());
    }
    model_->set_grad_checkpointing(run.run.grad_checkpointing);
    model_->freeze_layers(run.model.frozen_layers);
    if (run.model.freeze_norms) model_->freeze_norms();
  }

  torch::nn::Module& model() override { return *model_; }
  std::vector<vision::ParameterGroup> parameter_groups(double layer_decay) const override {
    return model_->parameter_groups(layer_decay, run_.optimizer.backbone_scale);
  }
  void set_generator(const at::Generator& generator) override { model_->set_generator(generator); }

  int64_t steps_per_epoch() const override { return loader_.size(); }
  int64_t items_per_step() const override { return run_.run.batch_size; }
  std::string items() const override { return "images"; }

  void begin_epoch(int64_t number, int64_t steps) override {
    epoch_.emplace(loader_.epoch(number));
    for (int64_t i = 0; i < steps; ++i) epoch_->next();
  }

  torch::Tensor next_loss() override {
    batch_ = epoch_->next().value();
    const auto images =
        torch::from_blob(batch_.images.data(), {batch_.size, batch_.channels, batch_.height, batch_.width});
    std::vector<vision::ImageExtent> extents;
    std::vector<vision::DetectionTarget> targets;
    for (const auto& item : batch_.items) {
      extents.push_back({item.resized.height, item.resized.width});
      targets.push_back(target_of(item, model_->has_masks()));
    }
    auto loss = torch::zeros({});
    for (const auto& [name, term] : model_->losses(images, extents, targets)) loss = loss + term;
    return loss;
  }

  Scores validate(torch::nn::Module& model, const std::atomic<bool>* stop) override {
    auto& detector = dynamic_cast<vision::DetectorImpl&>(model);
    CocoCollector found(category_ids_);
    detect_dataset(detector, validation_,
                   {.preprocessing = setup_.preprocessing, .workers = run_.data.workers, .progress = {}, .stop = stop},
                   found);
    const auto& results = found.results();
    Scores scores;
    if (stop != nullptr && *stop) return scores;
    const auto boxes = datasets::evaluate_coco(truth_, results, datasets::CocoOverlap::bbox);
    scores.box_ap = boxes.stats[0];
    scores.box_ap50 = boxes.stats[1];
    if (detector.has_masks()) {
      scores.mask_ap = datasets::evaluate_coco(truth_, results, datasets::CocoOverlap::segm).stats[0];
    }
    return scores;
  }
  std::string validation_size() const override { return std::to_string(validation_.size()) + " images"; }

  std::map<std::string, std::string> data() const override {
    const auto& data = run_.data;
    return {{"data.train", fingerprint_files(data.train, train_.files())},
            {"data.train_labels", fingerprint_files(data.train_labels, {data.train_labels})},
            {"data.validation", fingerprint_files(data.validation, validation_.files())},
            {"data.validation_labels", fingerprint_files(data.validation_labels, {data.validation_labels})}};
  }

  ModelCard card() const override {
    ModelCard card;
    card.config = setup_.config;
    card.preprocessing = setup_.preprocessing;
    card.labels = train_.class_names();
    return card;
  }

  std::vector<std::string> notes() const override { return notes_; }

 private:
  datasets::DetectionLoaderOptions loader_options() const {
    datasets::DetectionLoaderOptions options;
    options.batch_size = run_.run.batch_size;
    options.shuffle = true;
    options.seed = static_cast<uint64_t>(run_.run.seed);
    options.workers = run_.data.workers;
    options.drop_last = true;
    options.masks = model_->has_masks();
    options.preprocessing = setup_.preprocessing;
    options.augment = run_.detection_augment;
    return options;
  }

  RunConfig run_;
  datasets::CocoDataset train_;
  datasets::CocoAnnotations truth_;
  datasets::CocoDataset validation_;
  std::vector<std::optional<int64_t>> category_ids_;  // of the validation set, for each class
  Architecture setup_;
  std::shared_ptr<vision::DetectorImpl> model_;
  datasets::DetectionLoader loader_;
  std::vector<std::string> notes_;
  std::optional<datasets::DetectionEpoch> epoch_;
  datasets::DetectionBatch batch_;  // as long as the graph of its loss
};

}  // namespace

std::unique_ptr<TrainingTask> make_detection_task(const RunConfig& config) {
  return std::make_unique<DetectionTask>(config);
}

}  // namespace retentive::models
