#include <support/catch.h>

#include <set>

#include <datasets/image_io.h>
#include <training/synthetic.h>

#include <models/training/data.h>
#include <models/training/run_config.h>
#include <retention/base/error.h>
#include <support/paths.h>

namespace retentive::models {
namespace {

using Catch::Contains;
using testing::synthetic_run;
using testing::TemporaryFolder;

const std::string kMinimal = R"({"model": {"name": "test_rmt"}, "data": {"train": "t", "validation": "v"}})";

RunConfig parse(const std::vector<std::string>& overrides) { return parse_run_config(kMinimal, "run.json", overrides); }

}  // namespace

TEST_CASE("a run configuration survives writing and reading", "[run_config]") {
  const TemporaryFolder folder;
  const auto config = synthetic_run(folder);
  const auto again = parse_run_config(run_config_json(config), "again");
  CHECK(run_config_json(again) == run_config_json(config));
  CHECK(std::get<vision::RmtConfig>(*again.model.config).embed_dims == std::vector<int64_t>{8, 8, 16, 16});
  CHECK(again.preprocessing->mean == std::vector<double>{0.2});
  CHECK_FALSE(first_difference(config, again).has_value());
}

TEST_CASE("overrides replace values of any kind", "[run_config]") {
  const auto config = parse({"run.seed=9", "optimizer.lr=2e-4", "optimizer.kind=sgd", "augment.affine_scale=[0.5,2]",
                             "data.train=some folder/x", "run.grad_checkpointing=true"});
  CHECK(config.run.seed == 9);
  CHECK(config.optimizer.lr == 2e-4);
  CHECK(config.optimizer.kind == OptimizerKind::sgd);
  CHECK(config.augment.affine_scale == std::array<double, 2>{0.5, 2});
  CHECK(config.data.train == "some folder/x");
  CHECK(config.run.grad_checkpointing);
  CHECK_THROWS_WITH(parse({"run.sed=9"}), Contains("run.json") && Contains("sed") && Contains("seed"));
  CHECK_THROWS_WITH(parse({"seed 9"}), Contains("seed 9"));
  CHECK_THROWS_WITH(parse({"model.name.x=9"}), Contains("\"name\""));
}

TEST_CASE("wrong configurations are refused by key", "[run_config]") {
  CHECK_THROWS_WITH(parse_run_config("{", "run.json"), Contains("run.json"));
  CHECK_THROWS_WITH(parse({"model.name=test_rmtt"}), Contains("test_rmt"));
  CHECK_THROWS_WITH(parse({"model.name="}), Contains("neither"));
  CHECK_THROWS_WITH(parse({"model.config={\"family\":\"rmt\"}"}), Contains("both"));
  CHECK_THROWS_WITH(parse({"data.kind=voc"}), Contains("voc") && Contains("coco") && Contains("image_folder"));
  CHECK_THROWS_WITH(parse({"data.kind=mnist"}), Contains("train_labels"));
  CHECK_THROWS_WITH(parse({"data.validation="}), Contains("no validation set"));
  CHECK_THROWS_WITH(parse({"data.validation_fraction=0.2"}), Contains("a validation set and a fraction"));
  CHECK_THROWS_WITH(parse({"run.batch_size=0"}), Contains("run.batch_size is 0"));
  CHECK_THROWS_WITH(parse({"run.batch_size=1.5"}), Contains("1.5"));
  CHECK_THROWS_WITH(parse({"run.precision=fp16"}), Contains("fp16") && Contains("fp32"));
  CHECK_THROWS_WITH(parse({"ema.decay=1"}), Contains("ema.decay"));
  CHECK_THROWS_WITH(parse({"augment.label_smoothing=2"}), Contains("label_smoothing"));
  CHECK_THROWS_WITH(parse({"schedule.warmup_epochs=300"}), Contains("warmup_epochs"));
  CHECK_THROWS_AS(read_run_config("/nonexistent/run.json"), ConfigError);
}

TEST_CASE("a key in the wrong place or of another name leads to the right one", "[run_config]") {
  const auto with = [](const std::string& key) {
    try {
      parse({key + "=0.001"});
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  for (const std::string key : {"learning_rate", "optimizer.learning_rate", "schedule.learning_rate", "lr",
                                "schedule.lr", "run.lr", "Learning-Rate", "optimiser.lr", "optimizer.LR"}) {
    INFO(key);
    CHECK_THAT(with(key), Contains("unknown key") && Contains("did you mean optimizer"));
  }
  CHECK_THAT(with("learning_rate"), Contains("optimizer.lr?") && Contains(R"("optimizer": {"lr": ...})"));
  CHECK_THAT(with("batch_size"), Contains("did you mean run.batch_size?"));
  CHECK_THAT(with("epochs"), Contains("did you mean schedule.epochs?"));
  CHECK_THAT(with("run.epoch"), Contains("did you mean schedule.epochs?"));
  CHECK_THAT(with("sede"), Contains("did you mean run.seed?"));
  CHECK_THAT(with("train"), Contains("did you mean data.train?"));
  CHECK_THAT(with("modle.name"), Contains("did you mean model?"));
  CHECK_THAT(with("xyzzy_plugh"), !Contains("did you mean") && Contains("--print-config") && Contains("optimizer"));
  CHECK_THAT(with("run.xyzzy_plugh"), Contains("in section \"run\"") && Contains("batch_size"));
}

TEST_CASE("missing data and values out of any range say what is accepted", "[run_config]") {
  CHECK_THROWS_WITH(parse_run_config(R"({"model": {"name": "test_rmt"}})", "run.json"),
                    Contains("[run.json] the section \"data\" is missing") && Contains("data.train=FOLDER"));
  CHECK_THROWS_WITH(parse_run_config(R"({"model": {"name": "test_rmt"}, "data": null})", "run.json"),
                    Contains("the section \"data\" is missing"));
  CHECK_THROWS_WITH(parse_run_config(R"({"model": {"config": {"family": "rmt"}}, "data": {}})", "run.json"),
                    Contains("data.train is empty"));
  CHECK_NOTHROW(parse_run_config(R"({"model": {"name": "test_rmt"}})", "run.json",
                                 {"data.train=x", "data.validation_fraction=0.1"}));
  for (const std::string seed : {"18446744073709551616", "18446744073709551615", "9223372036854775808", "1e30"}) {
    INFO(seed);
    CHECK_THROWS_WITH(parse({"run.seed=" + seed}), Contains("run.seed is") && Contains("9223372036854775807"));
  }
  CHECK(parse({"run.seed=9223372036854775807"}).run.seed == INT64_MAX);
  CHECK_THROWS_WITH(parse({"run.seed=-1"}), Contains("run.seed is -1"));
  CHECK_THROWS_WITH(parse({"optimizer.lr=\"fast\""}), Contains("optimizer.lr is \"fast\"") && Contains("number"));
  CHECK_THROWS_WITH(parse({"optimizer.lr=0"}), Contains("lr is 0"));
  CHECK_THROWS_WITH(parse({"optimizer.lr=-1e-9"}), Contains("lr is -1e-09"));
  CHECK_THROWS_WITH(parse({"schedule.epochs=9000000000000000000"}), Contains("epochs is 9000000000000000000"));
}

TEST_CASE("configurations of detectors are refused by key", "[run_config]") {
  const std::vector<std::string> coco = {"model.name=test_mask_rcnn", "data.kind=coco", "data.train_labels=t.json",
                                         "data.validation_labels=v.json"};
  const auto with = [&](const std::vector<std::string>& more) {
    auto overrides = coco;
    overrides.insert(overrides.end(), more.begin(), more.end());
    return parse(overrides);
  };
  const auto config = with({"model.frozen_layers=2", "model.freeze_norms=true", "optimizer.backbone_scale=0.1",
                            "detection_augment.shorter_sides=[480,512]", "schedule.kind=step",
                            "schedule.steps=[200,280]", "schedule.step_factor=0.2"});
  CHECK(config.model.frozen_layers == 2);
  CHECK(config.model.freeze_norms);
  CHECK(config.optimizer.backbone_scale == 0.1);
  CHECK(config.detection_augment.shorter_sides == std::vector<int64_t>{480, 512});
  CHECK(config.schedule.steps == std::vector<int64_t>{200, 280});
  CHECK(run_config_json(parse_run_config(run_config_json(config), "again")) == run_config_json(config));
  CHECK(first_difference(config, with({}))->name == "model.frozen_layers");

  CHECK_THROWS_WITH(with({"data.train_labels="}), Contains("data.train_labels") && Contains("coco"));
  CHECK_THROWS_WITH(with({"data.validation_labels="}), Contains("data.validation_labels"));
  CHECK_THROWS_WITH(with({"data.validation=", "data.validation_fraction=0.1"}), Contains("for validation"));
  CHECK_THROWS_WITH(with({"data.classes=[\"a\"]"}), Contains("data.classes"));
  CHECK_THROWS_WITH(with({"augment.hflip=0.5"}), Contains("detection_augment"));
  CHECK_THROWS_WITH(with({"detection_augment.hflip=2"}), Contains("hflip"));
  CHECK_THROWS_WITH(with({"model.frozen_layers=-1"}), Contains("model.frozen_layers is -1"));
  CHECK_THROWS_WITH(with({"model.form=chunkwise"}), Contains("model.form"));
  CHECK_THROWS_WITH(with({"model.chunk=8"}), Contains("model.chunk"));
  CHECK_THROWS_WITH(with({"optimizer.backbone_scale=0"}), Contains("optimizer.backbone_scale"));
  CHECK_THROWS_WITH(with({"schedule.kind=step"}), Contains("schedule.steps"));
}

TEST_CASE("what only detectors know is refused for other data", "[run_config]") {
  for (const auto& kind :
       {std::vector<std::string>{"data.kind=image_folder"},
        std::vector<std::string>{"data.kind=mnist", "data.train_labels=t", "data.validation_labels=v"},
        std::vector<std::string>{"data.kind=text", "model.name=test_retnet"}}) {
    CHECK_NOTHROW(parse(kind));
    for (const std::string field : {"model.frozen_layers=1", "model.frozen_layers=-1", "model.freeze_norms=true",
                                    "optimizer.backbone_scale=0.1", "detection_augment.hflip=0"}) {
      auto overrides = kind;
      overrides.push_back(field);
      INFO(kind.front() << " " << field);
      CHECK_THROWS_WITH(parse(overrides), Contains(field.substr(0, field.find('.'))) && Contains("remove"));
    }
  }
}

TEST_CASE("the difference between two runs is named, free fields do not count", "[run_config]") {
  const auto base = parse({});
  CHECK_FALSE(first_difference(base, parse({"run.threads=3", "run.output_dir=x", "data.workers=0", "run.save_every=9",
                                            "run.log_interval=1", "run.notes=n", "run.license=l"}))
                  .has_value());
  const auto difference = first_difference(base, parse({"optimizer.betas=[0.9,0.95]"}));
  REQUIRE(difference.has_value());
  CHECK(difference->name == "optimizer.betas");
  CHECK(difference->left == "[0.9,0.999]");
  CHECK(difference->right == "[0.9,0.95]");
  CHECK(first_difference(base, parse({"run.seed=1"}))->name == "run.seed");
}

TEST_CASE("the shipped configurations are valid", "[run_config]") {
  const std::filesystem::path folder = testing::source_dir() + "/configs";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_directory()) continue;
    INFO(entry.path());
    CHECK_NOTHROW(read_run_config(entry.path()));
  }
  CHECK(read_run_config(folder / "digits.json").model.name == "rmt_nano");
  CHECK(read_run_config(folder / "digits_detector.json").data.kind == DataKind::coco);
}

TEST_CASE("a part of the training set is kept for validation", "[run_data]") {
  const TemporaryFolder folder;
  auto data = synthetic_run(folder).data;
  data.validation = data.validation_labels = "";
  data.validation_fraction = 0.25;
  const auto sets = open_run_data(data, 3);
  CHECK(sets.train->size() == 144);
  CHECK(sets.validation->size() == 48);
  std::set<std::string> names;
  for (int64_t i = 0; i < 144; ++i) names.insert(sets.train->get(i).name);
  for (int64_t i = 0; i < 48; ++i) names.insert(sets.validation->get(i).name);
  CHECK(names.size() == 192);
  CHECK(open_run_data(data, 3).validation->get(5).name == sets.validation->get(5).name);
  CHECK(open_run_data(data, 4).validation->get(5).name != sets.validation->get(5).name);
  data.validation_fraction = 0.001;
  CHECK_THROWS_AS(open_run_data(data, 3), DataError);
}

TEST_CASE("the classes of a validation set are matched by name", "[run_data]") {
  const TemporaryFolder folder;
  datasets::Rng rng(3);
  const auto add = [&](const std::string& name) {
    std::filesystem::create_directories(folder / name);
    datasets::write_image(folder / (name + "/1.png"), testing::synthetic_image(0, rng));
  };
  for (const char* name : {"train/ant", "train/bee", "train/cat", "val/bee", "val/cat"}) add(name);
  DataSection data;
  data.train = folder / "train";
  data.validation = folder / "val";
  CHECK(open_run_data(data, 3).validation_classes == std::vector<int64_t>{1, 2});
  add("val/beee");
  CHECK_THROWS_WITH(open_run_data(data, 3), Contains("\"beee\" (nearest: \"") && Contains("by name"));
}

}  // namespace retentive::models
