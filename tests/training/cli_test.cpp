#include <support/catch.h>

#include <support/process.h>
#include <training/synthetic.h>

#include <models/training/run_lock.h>
#include <support/paths.h>
#include <nlohmann/json.hpp>

namespace retentive {
namespace {

using Catch::Contains;
using testing::file_bytes;
using testing::ProcessResult;
using testing::synthetic_run;
using testing::TemporaryFolder;

ProcessResult program(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), testing::program_path());
  return testing::run_process(arguments);
}

std::string write_config(const TemporaryFolder& folder) {
  const auto path = folder / "run.json";
  std::ofstream(path) << models::run_config_json(synthetic_run(folder));
  return path;
}

}  // namespace

TEST_CASE("train writes weights that eval scores the same", "[cli]") {
  const TemporaryFolder folder;
  const auto config = write_config(folder);
  const auto trained = program({"train", "--config", config, "--set", "schedule.epochs=2", "--output", folder / "cli"});
  INFO(trained.err);
  REQUIRE(trained.exit_code == 0);
  CHECK_THAT(trained.out, Contains("best: validation top-1") && Contains("best.safetensors"));
  CHECK_THAT(trained.err, Contains("epoch 2/2  train loss"));
  const auto log = file_bytes(folder / "cli/log.jsonl");
  double best = 0;
  for (size_t begin = 0; begin < log.size(); begin = log.find('\n', begin) + 1) {
    const auto line = nlohmann::json::parse(log.substr(begin, log.find('\n', begin) - begin));
    best = std::max({best, line["validation"]["top1"].get<double>(), line["ema"]["top1"].get<double>()});
  }
  const std::vector<std::string> eval = {"eval",      "classify",
                                         "--kind",    "mnist",
                                         "--weights", folder / "cli/best.safetensors",
                                         "--images",  folder / "val.idx3",
                                         "--labels",  folder / "val.idx1"};
  auto as_json = eval;
  as_json.push_back("--json");
  const auto scored = program(as_json);
  REQUIRE(scored.exit_code == 0);
  const auto result = nlohmann::json::parse(scored.out);
  CHECK(result["top1"].get<double>() == best);
  CHECK(result["count"] == 60);
  CHECK(result["classes"][2]["label"] == "block");
  CHECK(result["classes"][2]["support"] == 20);
  CHECK_THAT(program(eval).out, Contains("images 60") && Contains("horizontal") && Contains("confusion matrix"));
}

TEST_CASE("training goes on only when told to", "[cli]") {
  const TemporaryFolder folder;
  const auto config = write_config(folder);
  const std::vector<std::string> train = {"train", "--config", config, "--set", "schedule.epochs=1"};
  REQUIRE(program(train).exit_code == 0);
  const auto again = program(train);
  CHECK(again.exit_code == 1);
  CHECK_THAT(again.err, Contains("--resume"));
  auto resume = train;
  resume.push_back("--resume");
  const auto done = program(resume);
  CHECK(done.exit_code == 0);
  CHECK_THAT(done.err, Contains("note: the run has all its 1 epochs; --extend-epochs"));
  auto extended = resume;
  extended.insert(extended.end(), {"--extend-epochs", "2", "--restart-schedule"});
  const auto more = program(extended);
  CHECK(more.exit_code == 0);
  CHECK_THAT(more.err, Contains("epoch 2/2  train loss"));
  CHECK(program({"train", "--config", config, "--extend-epochs", "2"}).exit_code == 2);
  {
    const models::RunLock held(folder / "out");
    const auto second = program(resume);
    CHECK(second.exit_code == 1);
    CHECK_THAT(second.err, Contains("in use by process " + std::to_string(getpid())));
  }
  resume.insert(resume.end(), {"--set", "run.seed=99"});
  const auto other = program(resume);
  CHECK(other.exit_code == 1);
  CHECK_THAT(other.err, Contains("run.seed is 99"));
}

TEST_CASE("wrong arguments and files give a message and nothing else", "[cli]") {
  const TemporaryFolder folder;
  const auto config = write_config(folder);
  CHECK(program({"train"}).exit_code == 2);
  const auto flag = program({"train", "--confg", config});
  CHECK(flag.exit_code == 2);
  CHECK_THAT(flag.err, Contains("did you mean --config"));
  const auto data = program({"train", "--config", config, "--set", "data.train=absent.gz"});
  CHECK(data.exit_code == 1);
  CHECK_THAT(data.err, Contains("absent.gz"));
  CHECK_FALSE(std::filesystem::exists(folder / "out"));
  const auto printed = program({"train", "--config", config, "--set", "run.seed=5", "--print-config"});
  CHECK(printed.exit_code == 0);
  CHECK(nlohmann::json::parse(printed.out)["run"]["seed"] == 5);
  CHECK(program({"eval"}).exit_code == 2);
  const auto kind = program({"eval", "classify", "--kind", "voc"});
  CHECK(kind.exit_code == 2);
  CHECK_THAT(kind.err, Contains("image_folder"));
  for (const std::string other : {"coco", "text"}) {
    const auto refused = program({"eval", "classify", "--kind", other, "--images", "a", "--labels", "b"});
    CHECK(refused.exit_code == 1);
    CHECK_THAT(refused.err, Contains("--kind is " + other) && Contains("image_folder and mnist"));
  }
  const auto weights = program({"eval", "classify", "--model", "rmt_t", "--data", folder / "x"});
  CHECK(weights.exit_code == 1);
  CHECK_THAT(weights.err, Contains("rmt_t") && Contains("--weights"));
}

TEST_CASE("from text files to a tokenizer, a trained model, its score and its text", "[cli]") {
  const TemporaryFolder folder;
  const auto text = folder / "rhyme.txt";
  std::ofstream out(text);
  for (int i = 0; i < 200; ++i) out << "one two three four\nfive six seven eight\n";
  out.close();
  const auto tokenizer = folder / "tokenizer.json";
  REQUIRE(program({"tokenizer", "train", text, "--vocab-size", "270", "--output", tokenizer}).exit_code == 0);
  const auto config = folder / "run.json";
  std::ofstream(config) << nlohmann::json{
      {"model",
       {{"config",
         {{"family", "retnet"},
          {"dim", 32},
          {"value_dim", 32},
          {"ffn_dim", 32},
          {"num_layers", 1},
          {"num_heads", 2}}}}},
      {"data",
       {{"kind", "text"},
        {"train", text},
        {"validation_fraction", 0.1},
        {"tokenizer", tokenizer},
        {"sequence_length", 64}}},
      {"optimizer", {{"lr", 0.02}}},
      {"schedule", {{"epochs", 4}, {"warmup_epochs", 0.2}}},
      {"run", {{"output_dir", folder / "out"}, {"batch_size", 4}, {"log_interval", 5}}}};
  const auto trained = program({"train", "--config", config});
  INFO(trained.err);
  REQUIRE(trained.exit_code == 0);
  CHECK_THAT(trained.out, Contains("best: validation") && Contains("bits/byte"));
  CHECK_THAT(trained.err, Contains("tokens/s") && Contains("epoch 4/4  train loss"));
  const auto weights = folder / "out/best.safetensors";
  const auto scored = program({"perplexity", "--weights", weights, text, "--json"});
  REQUIRE(scored.exit_code == 0);
  CHECK(nlohmann::json::parse(scored.out)["bits_per_byte"].get<double>() < 0.3);
  const auto continued =
      program({"generate", "--weights", weights, "--prompt", "one two", "-n", "60", "--temperature", "0"});
  CHECK_THAT(continued.out, Contains("three four\nfive six seven eight\none two three four\n"));
}

TEST_CASE("an interrupt at any time saves the run, which goes on", "[cli]") {
  const TemporaryFolder folder;
  const auto text = folder / "long.txt";
  std::ofstream(text) << std::string(80000, 'a') << std::string(80000, 'b');
  const auto config = folder / "run.json";
  // More than 2048 rows in a product of gradients: oneDNN then works with the stack pointer in the heap.
  std::ofstream(config) << nlohmann::json{{"model",
                                           {{"config",
                                             {{"family", "retnet"},
                                              {"dim", 128},
                                              {"value_dim", 128},
                                              {"ffn_dim", 128},
                                              {"num_layers", 1},
                                              {"num_heads", 2}}}}},
                                          {"data",
                                           {{"kind", "text"},
                                            {"train", text},
                                            {"validation_fraction", 0.1},
                                            {"tokenizer", "bytes"},
                                            {"sequence_length", 512}}},
                                          {"schedule", {{"epochs", 1000}}},
                                          {"run", {{"output_dir", folder / "out"}, {"batch_size", 12}}}};
  std::vector<std::string> train = {testing::program_path(), "train", "--config", config};
  for (int round = 0; round < 5; ++round) {
    const auto stopped = testing::run_process(train, "", std::chrono::milliseconds(1500 + 37 * round));
    INFO("round " << round << ": " << stopped.err);
    REQUIRE(stopped.exit_code == 0);
    CHECK_THAT(stopped.err, Contains("stopped at step") && Contains("--resume"));
    if (round == 0) train.push_back("--resume");
  }
}

}  // namespace retentive
