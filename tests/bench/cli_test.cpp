#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include <support/catch.h>
#include <support/process.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

ProcessResult bench(std::vector<std::string> arguments, const std::string& input = "") {
  arguments.insert(arguments.begin(), {RETENTIVE_PROGRAM, "bench"});
  return run_process(arguments, input);
}

struct Folder {
  Folder() : path(std::filesystem::temp_directory_path() / ("retentive_bench_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name) << text;
    return (path / name).string();
  }
  std::filesystem::path path;
};

const std::vector<std::string> kLatency = {"latency",  "--model", "test_rmt",  "--size", "64x48",  "--reps",   "8",
                                           "--warmup", "1",       "--threads", "1",      "--json", "--profile"};

TEST_CASE("bench latency writes every figure") {
  const auto run = bench(kLatency);
  INFO(run.err);
  REQUIRE(run.exit_code == 0);
  const auto result = json::parse(run.out);
  CHECK(result["model"] == "test_rmt");
  CHECK(result["size"] == "64x48");
  CHECK(result["batch"] == 1);
  CHECK(result["threads"] == 1);
  CHECK(result["precision"] == "fp32");
  CHECK(result["times_ms"].size() == 8);
  for (const char* key :
       {"median_ms", "p10_ms", "p90_ms", "images_per_s", "peak_rss_mb", "gmacs_per_s", "peak_share"}) {
    CAPTURE(key);
    CHECK(result.at(key).get<double>() > 0);
  }
  CHECK(result["p10_ms"].get<double>() <= result["median_ms"].get<double>());
  CHECK(result["images_per_s"].get<double>() == Approx(1e3 / result["median_ms"].get<double>()));
  CHECK(result["deviation"].get<double>() < 1e-4);
  CHECK(result["machine"]["isa"].is_string());
  CHECK(result["profile"].size() > 5);
}

TEST_CASE("bench compare: same file, planted loss, other conditions, no result") {
  const Folder folder;
  const auto run = bench(kLatency);
  REQUIRE(run.exit_code == 0);
  auto result = json::parse(run.out);
  const auto before = folder.write("before.json", result.dump());
  const auto same = bench({"compare", before, before});
  CHECK(same.exit_code == 0);
  CHECK_THAT(same.out, Contains("no difference"));
  for (auto& time : result["times_ms"]) time = time.get<double>() * 3;
  const auto slower = folder.write("slower.json", result.dump());
  const auto loss = bench({"compare", before, slower});
  CHECK(loss.exit_code == 1);
  CHECK_THAT(loss.out, Contains("slower"));
  CHECK_THAT(bench({"compare", slower, before}).out, Contains("faster"));
  result["threads"] = 2;
  CHECK_THAT(bench({"compare", before, folder.write("threads.json", result.dump())}).out, Contains("threads differs"));
  const auto broken = bench({"compare", before, folder.write("broken.json", "{}")});
  CHECK(broken.exit_code == 1);
  CHECK_THAT(broken.err, Contains("broken.json") && Contains("bench latency"));
  CHECK_THAT(bench({"compare", before, "/nowhere.json"}).err, Contains("/nowhere.json"));
}

TEST_CASE("bench --serve times when told so") {
  const auto run =
      bench({"latency", "--model", "test_rmt", "--size", "32", "--serve", "--threads", "1"}, "run 3\nrun 1\n");
  REQUIRE(run.exit_code == 0);
  std::istringstream lines(run.out);
  std::string line;
  REQUIRE(std::getline(lines, line));
  CHECK(json::parse(line)["ready"] == true);
  REQUIRE(std::getline(lines, line));
  CHECK(json::parse(line)["times_ms"].size() == 3);
  REQUIRE(std::getline(lines, line));
  CHECK(json::parse(line)["times_ms"].size() == 1);
  const auto wrong = bench({"latency", "--model", "test_rmt", "--size", "32", "--serve"}, "walk 3\n");
  CHECK(wrong.exit_code == 1);
  CHECK_THAT(wrong.err, Contains("run N"));
}

TEST_CASE("bench kernels checks before it times") {
  const auto run = bench({"kernels", "--filter", "7x7x16x32", "--reps", "5", "--json"});
  REQUIRE(run.exit_code == 0);
  std::istringstream lines(run.out);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const auto result = json::parse(line);
    CHECK(result["correct"] == true);
    CHECK(result["median_us"].get<double>() > 0);
  }
  CHECK(count == 2);
  const auto decode = bench({"kernels", "--filter", "attention_decode_8192", "--reps", "5", "--json"});
  REQUIRE(decode.exit_code == 0);
  const auto first = json::parse(decode.out.substr(0, decode.out.find('\n')));
  CHECK(first["correct"] == true);
  CHECK(first["bandwidth_share"].get<double>() > 0.01);
  CHECK_THAT(bench({"kernels", "--filter", "nothing"}).err, Contains("nothing") && Contains("masa_full_14x14x8x32"));
}

TEST_CASE("bench language begins with the state of a prompt or a random one of the same size") {
  const auto run = [](std::vector<std::string> more) {
    more.insert(more.begin(), {"language", "--models", "test_transformer,test_retnet", "--contexts", "9,70", "--steps",
                               "3", "--precision", "bf16", "--json"});
    const auto result = bench(more);
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    return json::parse(result.out);
  };
  const auto prompt = run({}), random = run({"--random-state"});
  CHECK(prompt["random_state"] == false);
  CHECK(random["random_state"] == true);
  REQUIRE(random["cells"].size() == 4);
  for (size_t i = 0; i < 4; ++i) {
    CHECK(prompt["cells"][i]["prefill_ms"].get<double>() > 0);
    CHECK(random["cells"][i]["prefill_ms"].is_null());
    CHECK(random["cells"][i]["step_median_ms"].get<double>() > 0);
    CHECK(random["cells"][i]["state_mb"] == prompt["cells"][i]["state_mb"]);
  }
  // A cache grows with the context, by 61 tokens here; the state of retention does not.
  CHECK(random["cells"][1]["state_mb"].get<double>() > 7 * random["cells"][0]["state_mb"].get<double>());
  CHECK(random["cells"][2]["state_mb"] == random["cells"][3]["state_mb"]);
  CHECK(bench({"language", "--by-token", "--random-state"}).exit_code == 2);
}

TEST_CASE("bench refuses sizes and models that are none") {
  CHECK_THAT(bench({"latency", "--model", "test_rmt", "--size", "0"}).err, Contains("--size") && Contains("480x640"));
  CHECK_THAT(bench({"latency", "--model", "test_rmt", "--size", "64x"}).err, Contains("--size"));
  CHECK_THAT(bench({"latency", "--model", "rtm_t"}).err, Contains("rmt_t"));
  CHECK(bench({"latency", "--json", "--serve"}).exit_code == 2);
}

}  // namespace
}  // namespace retentive::testing
