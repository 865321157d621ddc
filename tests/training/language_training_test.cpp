#include <support/catch.h>

#include <training/synthetic.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include <models/checkpoint.h>
#include <models/generation/perplexity.h>
#include <models/registry.h>
#include <models/tensor_io.h>
#include <models/tokenizers/tokenizer.h>
#include <models/training/trainer.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

namespace fs = std::filesystem;
using Catch::Contains;
using testing::file_bytes;
using testing::TemporaryFolder;

// Sentences of a small grammar: what follows is partly known from far behind.
std::string nursery_text(int64_t sentences, uint64_t seed) {
  static const std::vector<std::string> kNames = {"anna", "bert", "cleo", "dora"};
  static const std::vector<std::string> kVerbs = {"sees", "hears", "likes"};
  datasets::Rng rng(seed);
  std::string text;
  for (int64_t i = 0; i < sentences; ++i) {
    const auto& who = kNames[static_cast<size_t>(datasets::uniform_below(rng, 4))];
    const auto& what = kVerbs[static_cast<size_t>(datasets::uniform_below(rng, 3))];
    const auto& whom = kNames[static_cast<size_t>(datasets::uniform_below(rng, 4))];
    text += who + " " + what + " " + whom + ", and " + whom + " " + what + " " + who + ".\n";
  }
  return text;
}

RunConfig text_run(const TemporaryFolder& folder, const std::string& output = "out") {
  if (!fs::exists(folder / "train")) {
    fs::create_directories(folder / "train");
    for (uint64_t i = 0; i < 5; ++i) {
      std::ofstream(folder / ("train/" + std::to_string(i) + ".txt")) << nursery_text(20 + 10 * i, i);
    }
    std::ofstream(folder / "validation.txt") << nursery_text(30, 99);
  }
  RetnetConfig model;
  model.dim = 32;
  model.value_dim = model.ffn_dim = 48;
  model.num_layers = 2;
  model.num_heads = 2;
  model.dropout = 0.1;
  model.drop_path_rate = 0.1;
  model.scale_embedding = model.tie_embeddings = true;
  model.chunk_size = 16;
  RunConfig config;
  config.model.config = model;
  config.data.kind = DataKind::text;
  config.data.train = folder / "train";
  config.data.validation = folder / "validation.txt";
  config.data.tokenizer = "bytes";
  config.data.sequence_length = 64;
  config.optimizer.lr = 1e-2;
  config.optimizer.betas = {0.9, 0.98};
  config.optimizer.clip_grad_norm = 1;
  config.schedule = {ScheduleKind::cosine, 4, 0.5, 1e-4};
  config.run.output_dir = folder / output;
  config.run.seed = 3;
  config.run.batch_size = 4;
  config.run.threads = 1;
  config.run.save_every = 100;
  return config;
}

std::vector<double> losses(RunConfig config, int64_t steps) {
  std::vector<double> result;
  std::atomic<bool> stop = false;
  TrainCallbacks callbacks;
  callbacks.step = [&](const StepReport& report) {
    result.push_back(report.loss);
    stop = static_cast<int64_t>(result.size()) == steps;
  };
  Trainer(std::move(config)).run(callbacks, &stop);
  return result;
}

}  // namespace

TEST_CASE("a small grammar is learned, and the best weights are what was measured", "[language training]") {
  const TemporaryFolder folder;
  auto config = text_run(folder);
  config.schedule.epochs = 12;
  std::vector<EpochReport> epochs;
  TrainCallbacks callbacks;
  callbacks.epoch = [&](const EpochReport& report) { epochs.push_back(report); };
  const auto result = Trainer(config).run(callbacks);
  CHECK(result.finished);
  REQUIRE(epochs.size() == 12);
  CHECK(epochs.back().items == "tokens");
  const double best = result.counters.best.scores.bits_per_byte.value();
  CHECK(best < 0.5 * epochs.front().raw.bits_per_byte.value());
  // Two of four names and one of three verbs are unknown in 35 bytes: 5.6 bits.
  CHECK(best < 0.6);
  CHECK(best > 0.13);

  const auto loaded = load_model(result.best_path);
  const auto tokenizer = parse_tokenizer(loaded.card.tokenizer, "card");
  const auto text = file_bytes(config.data.validation);
  const auto measured = perplexity(*as_language_model(loaded.model, "best"), tokenizer->encode(text));
  CHECK(measured.bits_per_byte(predicted_bytes(*tokenizer, text, tokenizer->encode(text))) ==
        Approx(best).epsilon(1e-6));
  CHECK(std::get<RetnetConfig>(*loaded.card.config).vocab_size == 256);
  CHECK_THAT(loaded.card.notes, Contains("bits/byte") && Contains("seed 3"));
  CHECK_THAT(file_bytes(fs::path(config.run.output_dir) / "log.jsonl"),
             Contains("\"bits_per_byte\"") && Contains("tokens_per_second") && !Contains("top1"));
}

TEST_CASE("the parallel and the chunkwise form learn alike over 50 steps", "[language training]") {
  const TemporaryFolder folder;
  auto config = text_run(folder, "parallel");
  config.optimizer.lr = 1e-3;  // larger ones amplify differences of rounding: Adam's first steps divide by them
  config.model.form = Form::parallel;
  const auto expected = losses(config, 50);
  REQUIRE(expected.size() == 50);
  CHECK(expected.back() < 0.9 * expected.front());
  for (const int64_t chunk : {5, 16, 64}) {
    config.model.form = Form::chunkwise;
    config.model.chunk = chunk;
    config.run.output_dir = folder / ("chunk" + std::to_string(chunk));
    const auto curve = losses(config, 50);
    REQUIRE(curve.size() == 50);
    double worst = 0;
    for (size_t i = 0; i < 50; ++i) worst = std::max(worst, std::abs(curve[i] - expected[i]));
    INFO("chunk " << chunk << ": largest difference of the loss " << worst);
    CHECK(worst < 1e-4);
    CHECK(worst > 0);  // else the form would have had no effect
  }
}

TEST_CASE("a resumed language run equals the uninterrupted one bit for bit", "[language training]") {
  const TemporaryFolder folder;
  auto config = text_run(folder, "whole");
  config.ema.decay = 0.9;
  config.schedule.epochs = 2;
  Trainer(config).run();
  const auto bits = [](const std::string& output) {
    const auto file = read_tensors(fs::path(output) / "last.state.safetensors");
    std::string all = file.metadata.at("retentive.run_counters");
    for (const auto& [name, tensor] : file.tensors) {
      all.append(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
    }
    return all + file_bytes(fs::path(output) / "best.safetensors");
  };
  const auto expected = bits(config.run.output_dir);
  const auto steps = static_cast<int64_t>(losses(text_run(folder, "count"), 0).size());
  for (const int64_t cut : {int64_t{1}, steps / 4, steps / 4 + 3}) {
    config.run.output_dir = folder / ("cut" + std::to_string(cut));
    losses(config, cut);
    Trainer trainer(config);
    trainer.resume();
    CHECK(trainer.run().finished);
    CHECK(bits(config.run.output_dir) == expected);
  }
}

TEST_CASE("fine-tuning takes weights with their tokenizer", "[language training]") {
  const TemporaryFolder folder;
  auto config = text_run(folder, "first");
  const auto first = Trainer(config).run();
  config.model.weights = first.best_path.string();
  config.data.tokenizer = "";
  config.data.validation = "";
  config.data.validation_fraction = 0.2;
  config.run.output_dir = folder / "second";
  config.schedule.epochs = 1;
  const auto curve = losses(config, 1);
  CHECK(curve[0] < 1.5);  // fresh weights begin at log 256 = 5.5

  config.model.weights = "";
  CHECK_THROWS_WITH(Trainer(config), Contains("data.tokenizer is empty"));
  config.data.tokenizer = folder / "absent.json";
  CHECK_THROWS_WITH(Trainer(config), Contains("absent.json"));
}

TEST_CASE("configurations that mix text and images are refused", "[language training]") {
  const TemporaryFolder folder;
  const auto good = text_run(folder);
  const auto refused = [&](const auto& change, const std::string& expected) {
    auto config = good;
    change(config);
    CHECK_THROWS_WITH(Trainer(config), Contains(expected));
  };
  refused([](RunConfig& c) { c.augment.mixup = 0.5; }, "augment is set");
  refused([](RunConfig& c) { c.data.classes = {"a"}; }, "text has no labels");
  refused([](RunConfig& c) { c.preprocessing.emplace(); }, "preprocessing is set");
  refused([](RunConfig& c) { c.run.grad_checkpointing = true; }, "grad_checkpointing");
  refused([](RunConfig& c) { c.optimizer.layer_decay = 0.7; }, "layer_decay");
  refused([](RunConfig& c) { c.data.sequence_length = 1; }, "data.sequence_length is 1");
  refused([](RunConfig& c) { c.data.validation_window = -1; }, "data.validation_window is -1");
  refused([](RunConfig& c) { c.model.chunk = -1; }, "model.chunk is -1");
  refused([](RunConfig& c) { c.data.sequence_length = 100000; }, "do not fill a batch");
  refused([](RunConfig& c) { c.data.train = "absent"; }, "absent");
  refused(
      [](RunConfig& c) {
        c.model.config.reset();
        c.model.name = "test_rmt";
      },
      "the model reads images");
  CHECK_FALSE(fs::exists(good.run.output_dir));
  auto images = testing::synthetic_run(folder, "images");
  images.model.config.reset();
  images.model.name = "test_retnet";
  CHECK_THROWS_WITH(Trainer(images), Contains("language model"));
  images = testing::synthetic_run(folder, "images");
  images.model.form = Form::chunkwise;
  CHECK_THROWS_WITH(Trainer(images), Contains("no causal retention"));
  images.model.form = Form::auto_;
  images.data.tokenizer = "bytes";
  CHECK_THROWS_WITH(Trainer(images), Contains("data.tokenizer is set"));
}

}  // namespace retentive::models
