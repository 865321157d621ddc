#include <optional>

#include <datasets/loader.h>
#include <models/training/data.h>
#include <models/training/data_fingerprint.h>
#include <models/training/evaluation.h>
#include <models/training/losses.h>
#include <models/training/run_model.h>
#include <models/training/task.h>

namespace retentive::models {
namespace {

datasets::LoaderOptions loader_options(const RunConfig& config, const vision::Preprocessing& preprocessing) {
  datasets::LoaderOptions options;
  options.batch_size = config.run.batch_size;
  options.shuffle = true;
  options.seed = static_cast<uint64_t>(config.run.seed);
  options.workers = config.data.workers;
  options.drop_last = true;
  options.preprocessing = preprocessing;
  options.augment = config.augment;
  return options;
}

class ClassificationTask final : public TrainingTask {
 public:
  explicit ClassificationTask(const RunConfig& config)
      : config_(config),
        data_(open_run_data(config.data, static_cast<uint64_t>(config.run.seed))),
        classes_(static_cast<int64_t>(data_.train->class_names().size())),
        target_(build_run_model(config, data_.train->class_names())),
        loader_(*data_.train, loader_options(config, target_.preprocessing)) {
    target_.model->set_grad_checkpointing(config.run.grad_checkpointing);
  }

  torch::nn::Module& model() override { return *target_.model; }
  std::vector<vision::ParameterGroup> parameter_groups(double layer_decay) const override {
    return target_.model->parameter_groups(layer_decay);
  }
  void set_generator(const at::Generator& generator) override {
    generator_ = generator;
    target_.model->set_generator(generator);
  }

  int64_t steps_per_epoch() const override { return loader_.size(); }
  int64_t items_per_step() const override { return config_.run.batch_size; }
  std::string items() const override { return "images"; }

  void begin_epoch(int64_t number, int64_t steps) override {
    epoch_.emplace(loader_.epoch(number));
    for (int64_t i = 0; i < steps; ++i) epoch_->next();
  }

  torch::Tensor next_loss() override {
    batch_ = epoch_->next().value();
    const auto images =
        torch::from_blob(batch_.images.data(), {batch_.size, batch_.channels, batch_.height, batch_.width});
    const auto labels = torch::from_blob(batch_.labels.data(), {batch_.size}, torch::kLong);
    const auto targets = smooth_targets(labels, classes_, config_.augment.label_smoothing);  // [B, K]
    const auto mixed = mix_batch(images, targets, config_.augment, generator_);
    return soft_cross_entropy(target_.model->forward(mixed.images), mixed.targets);
  }

  Scores validate(torch::nn::Module& model, const std::atomic<bool>* stop) override {
    EvaluationOptions options;
    options.preprocessing = target_.preprocessing;
    options.batch_size = config_.run.batch_size;
    options.workers = config_.data.workers;
    options.class_map = data_.validation_classes;
    options.stop = stop;
    const auto metrics = evaluate(dynamic_cast<vision::BackboneImpl&>(model), *data_.validation, classes_, options);
    return {.top1 = metrics.top1(), .top5 = metrics.top5(), .loss = metrics.loss()};
  }
  std::string validation_size() const override { return std::to_string(data_.validation->size()) + " images"; }

  std::map<std::string, std::string> data() const override {
    std::map<std::string, std::string> prints = {
        {"data.train", fingerprint_files(config_.data.train, data_.train->files())}};
    if (!config_.data.validation.empty()) {
      prints["data.validation"] = fingerprint_files(config_.data.validation, data_.validation->files());
    }
    return prints;
  }

  ModelCard card() const override {
    ModelCard card;
    card.config = target_.config;
    card.preprocessing = target_.preprocessing;
    card.labels = data_.train->class_names();
    return card;
  }

  std::vector<std::string> notes() const override { return target_.notes; }

 private:
  RunConfig config_;
  RunData data_;
  int64_t classes_;
  RunModel target_;
  datasets::Loader loader_;
  std::optional<datasets::Epoch> epoch_;
  datasets::Batch batch_;  // as long as the graph of its loss
  at::Generator generator_;
};

}  // namespace

std::unique_ptr<TrainingTask> make_classification_task(const RunConfig& config) {
  return std::make_unique<ClassificationTask>(config);
}

}  // namespace retentive::models
