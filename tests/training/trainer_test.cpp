#include <support/catch.h>

#include <training/run_bits.h>
#include <training/synthetic.h>

#include <cmath>

#include <datasets/image_io.h>
#include <models/checkpoint.h>
#include <models/registry.h>
#include <models/training/data.h>
#include <models/training/evaluation.h>
#include <models/training/run_state.h>
#include <models/training/trainer.h>
#include <retention/base/error.h>
#include <vision/vir.h>
#include <nlohmann/json.hpp>

namespace retentive::models {
namespace {

namespace fs = std::filesystem;
using Catch::Contains;
using testing::file_bytes;
using testing::run_and_stop;
using testing::synthetic_run;
using testing::TemporaryFolder;
using testing::trained_bits;

constexpr int64_t kStepsPerEpoch = 6;  // 192 images, 32 a batch

// Everything that draws random numbers is on.
RunConfig random_run(const TemporaryFolder& folder, const std::string& output) {
  auto config = synthetic_run(folder, output);
  config.augment.rotate = 10;
  config.augment.translate = 0.1;
  config.augment.mixup = 0.2;
  config.augment.cutmix = 0.5;
  return config;
}

}  // namespace

TEST_CASE("a tiny set is learned, and the best weights are what was measured", "[trainer]") {
  const TemporaryFolder folder;
  auto config = synthetic_run(folder);
  config.schedule.epochs = 12;
  std::vector<EpochReport> epochs;
  TrainCallbacks callbacks;
  callbacks.epoch = [&](const EpochReport& report) { epochs.push_back(report); };
  const auto result = Trainer(config).run(callbacks);
  CHECK(result.finished);
  CHECK(result.counters.step == 12 * kStepsPerEpoch);
  REQUIRE(epochs.size() == 12);
  CHECK(epochs.back().train_loss < 0.6 * epochs.front().train_loss);
  CHECK(result.counters.best.scores.top1 > 0.95);

  const auto loaded = load_model(result.best_path);
  CHECK(loaded.card.labels == config.data.classes);
  CHECK_THAT(loaded.card.notes, Contains("seed 7"));
  const auto set = open_dataset(DataKind::mnist, config.data.validation, config.data.validation_labels);
  EvaluationOptions options;
  options.preprocessing = loaded.card.preprocessing.value();
  const auto metrics = evaluate(*as_backbone(loaded.model, "best"), *set, 3, options);
  CHECK(metrics.top1() == result.counters.best.scores.top1);
  CHECK(metrics.loss() == Approx(result.counters.best.scores.loss.value()).epsilon(1e-6));

  std::ifstream log(fs::path(config.run.output_dir) / "log.jsonl");
  int64_t lines = 0;
  for (std::string line; std::getline(log, line); ++lines) {
    const auto entry = nlohmann::json::parse(line);
    CHECK(entry["epoch"] == lines + 1);
    CHECK(entry["validation"]["top1"] == epochs[static_cast<size_t>(lines)].raw.top1.value());
  }
  CHECK(lines == 12);
}

TEST_CASE("same seed and threads give the same bits, another seed does not", "[trainer]") {
  const TemporaryFolder folder;
  auto config = random_run(folder, "one");
  Trainer(config).run();
  config.run.output_dir = folder / "two";
  config.data.workers = 2;
  Trainer(config).run();
  CHECK(trained_bits(folder / "one") == trained_bits(folder / "two"));
  config.run.output_dir = folder / "three";
  config.run.seed = 8;
  Trainer(config).run();
  CHECK(trained_bits(folder / "one") != trained_bits(folder / "three"));
}

TEST_CASE("a resumed run equals the uninterrupted one bit for bit", "[trainer]") {
  const TemporaryFolder folder;
  for (const auto kind : {OptimizerKind::adamw, OptimizerKind::sgd}) {
    const std::string name(enum_name(kind));
    auto config = random_run(folder, name + "_whole");
    config.optimizer.kind = kind;
    Trainer(config).run();
    const auto expected = trained_bits(config.run.output_dir);
    for (const int64_t cut : {kStepsPerEpoch, kStepsPerEpoch + 2, 3 * kStepsPerEpoch - 1}) {
      INFO(name << " stopped after " << cut << " steps");
      config.run.output_dir = folder / (name + std::to_string(cut));
      const auto stopped = run_and_stop(config, cut);
      CHECK_FALSE(stopped.finished);
      CHECK(stopped.counters.step == cut);
      Trainer trainer(config);
      trainer.resume();
      CHECK(trainer.run().finished);
      CHECK(trained_bits(config.run.output_dir) == expected);
      const auto log = file_bytes(fs::path(config.run.output_dir) / "log.jsonl");
      CHECK(std::count(log.begin(), log.end(), '\n') == 3);
    }
  }
}

TEST_CASE("a run can be stopped and resumed at every step", "[trainer][slow]") {
  const TemporaryFolder folder;
  auto config = random_run(folder, "whole");
  Trainer(config).run();
  const auto expected = trained_bits(config.run.output_dir);
  config.run.output_dir = folder / "steps";
  auto result = run_and_stop(config, 1);
  while (!result.finished) result = run_and_stop(config, 1, true);
  CHECK(trained_bits(config.run.output_dir) == expected);
}

TEST_CASE("another configuration or a damaged state is refused", "[trainer]") {
  const TemporaryFolder folder;
  auto config = synthetic_run(folder);
  run_and_stop(config, 2);
  const auto state = fs::path(config.run.output_dir) / "last.state.safetensors";
  const auto good = file_bytes(state);
  const auto resume_with = [&](const std::string& bytes) {
    std::ofstream(state, std::ios::binary) << bytes;
    Trainer(config).resume();
  };
  CHECK_NOTHROW(resume_with(good));
  CHECK_THROWS_AS(resume_with(good.substr(0, good.size() - 4)), CheckpointError);
  CHECK_THROWS_AS(resume_with(good.substr(0, 100)), CheckpointError);
  CHECK_THROWS_AS(resume_with(""), CheckpointError);
  CHECK_THROWS_WITH(resume_with(file_bytes(config.data.train)), Contains("last.state"));
  auto renamed = good;
  renamed.replace(renamed.find("optimizer."), 10, "optimiser.");
  CHECK_THROWS_WITH(resume_with(renamed), Contains("checksum"));
  resume_with(good);
  auto counters = read_run_state(state);
  ++counters.counters.step;
  write_run_state(state, counters);
  CHECK_THROWS_WITH(Trainer(config).resume(), Contains("stands at step 3"));
  resume_with(good);
  CHECK_THROWS_WITH(Trainer(config).run(), Contains("--resume"));
  config.optimizer.lr = 1e-3;
  CHECK_THROWS_WITH(Trainer(config).resume(), Contains("optimizer.lr is 0.001") && Contains("0.005"));
  config.run.output_dir = folder / "elsewhere";
  CHECK_THROWS_AS(Trainer(config).resume(), CheckpointError);
}

TEST_CASE("wrong data or weights fail before anything is written", "[trainer]") {
  const TemporaryFolder folder;
  const auto good = synthetic_run(folder);
  auto config = good;
  config.data.train = folder / "absent.idx3";
  CHECK_THROWS_WITH(Trainer(config), Contains("absent.idx3"));
  config = good;
  config.preprocessing->mean = config.preprocessing->std = {0.5, 0.5, 0.5};
  CHECK_THROWS_WITH(Trainer(config), Contains("3 entries") && Contains("1 channels"));
  config = good;
  std::get<vision::RmtConfig>(*config.model.config).head = vision::RmtHead::none;
  CHECK_THROWS_AS(Trainer(config), Unsupported);
  config = good;
  config.run.batch_size = 1000;
  CHECK_THROWS_AS(Trainer(config), Error);
  CHECK_FALSE(fs::exists(good.run.output_dir));
  config = good;
  config.run.output_dir = config.data.train;
  CHECK_THROWS_WITH(Trainer(config).run(), Contains("train.idx3"));
}

TEST_CASE("a loss that is not finite stops the run and names the step", "[trainer]") {
  const TemporaryFolder folder;
  auto config = synthetic_run(folder);
  config.optimizer.kind = OptimizerKind::sgd;
  config.optimizer.lr = 1e30;
  config.schedule.warmup_epochs = 0;
  try {
    Trainer(config).run();
    FAIL("no error");
  } catch (const StateError& error) {
    CHECK_THAT(error.what(), Contains("at step 2 (epoch 1)") && Contains("optimizer.lr"));
  }
}

TEST_CASE("fine-tuning keeps the backbone and starts a head of another size afresh", "[trainer]") {
  const TemporaryFolder folder;
  auto config = synthetic_run(folder, "first");
  const auto first = Trainer(config).run();
  config.model.weights = first.best_path.string();
  config.data.classes = {"a", "b", "c", "d"};
  config.run.output_dir = folder / "second";
  config.schedule.epochs = 1;
  config.optimizer.lr = 1e-12;
  config.schedule.min_lr = 0;
  config.ema.decay = 0;
  const auto second = Trainer(config).run();
  const auto before = read_checkpoint(first.best_path);
  const auto after = read_checkpoint(second.best_path);
  const std::string kept = "layers.3.blocks.0.ffn.fc1.weight";
  CHECK(torch::allclose(*find_tensor(after.tensors, kept), *find_tensor(before.tensors, kept), 0, 1e-6));
  CHECK(find_tensor(after.tensors, "head.weight")->size(0) == 4);

  std::get<vision::RmtConfig>(*config.model.config).embed_dims = {8, 8, 16, 32};
  CHECK_THROWS_WITH(Trainer(config), Contains("below its head"));
}

TEST_CASE("a ViT learns, and a ViR starts from its weights", "[trainer]") {
  const TemporaryFolder folder;
  auto config = synthetic_run(folder, "vit");
  vision::VirConfig vit;
  vit.mixer = MixerKind::attention;
  vit.image_size = {16, 16};
  vit.patch_size = 4;
  vit.in_channels = 1;
  vit.dim = 32;
  vit.depth = 2;
  vit.num_heads = 2;
  config.model.config = vit;
  config.schedule.epochs = 15;
  config.optimizer.lr = 2e-3;
  const auto first = Trainer(config).run();
  CHECK(first.counters.best.scores.top1.value() > 0.8);

  auto vir = vit;
  vir.mixer = MixerKind::retention;
  vir.layer_scale_init = 1e-5;
  vir.decay_dims = 2;
  config.model.config = vir;
  config.model.weights = first.best_path.string();
  config.run.output_dir = folder / "vir";
  Trainer trainer(config);
  REQUIRE(trainer.notes().size() == 1);
  CHECK_THAT(trainer.notes().front(), Contains("4 layer scales become 1"));
  const auto second = trainer.run();
  CHECK(second.counters.best.scores.top1.value() > 0.8);
  const auto loaded = load_model(second.best_path);
  const auto model = std::dynamic_pointer_cast<vision::VirImpl>(loaded.model);
  REQUIRE(model != nullptr);
  CHECK(model->config().decay_dims == 2);
  CHECK(model->config().num_classes == 3);
}

TEST_CASE("a folder of images trains too, with checkpointed activations", "[trainer]") {
  const TemporaryFolder folder;
  datasets::Rng rng(3);
  for (int64_t i = 0; i < 48; ++i) {
    const fs::path place = folder / ("pictures/" + std::string(1, static_cast<char>('a' + i % 3)));
    fs::create_directories(place);
    datasets::write_image(place / (std::to_string(i) + ".png"), testing::synthetic_image(i % 3, rng));
  }
  auto config = synthetic_run(folder);
  config.data = {};
  config.data.train = folder / "pictures";
  config.data.validation_fraction = 0.25;
  config.run.batch_size = 12;
  config.run.grad_checkpointing = true;
  const auto result = Trainer(config).run();
  CHECK(result.finished);
  CHECK(result.counters.step == 9);
  CHECK(load_model(result.best_path).card.labels == std::vector<std::string>{"a", "b", "c"});
}

}  // namespace retentive::models
