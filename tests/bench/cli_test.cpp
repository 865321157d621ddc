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
  const auto results = json::parse(run.out);
  CHECK(results["format"] == "retentive.results");
  CHECK(results["threads"] == 1);
  CHECK(results["machine"]["isa"].is_string());
  CHECK(results["peak_gmacs_per_s"]["fp32"].get<double>() > 0);
  CHECK_THAT(results["command"].get<std::string>(), Contains("bench latency --model test_rmt --size 64x48"));
  REQUIRE(results["cells"].size() == 1);
  const auto& cell = results["cells"][0];
  CHECK(cell["task"] == "image");
  CHECK(cell["model"] == "test_rmt");
  CHECK(cell["mixer"] == "masa");
  CHECK(cell["form"] == "");
  CHECK(cell["height"] == 64);
  CHECK(cell["width"] == 48);
  CHECK(cell["tokens"] == 16 * 12);
  CHECK(cell["batch"] == 1);
  CHECK(cell["precision"] == "fp32");
  CHECK(cell["times_ms"].size() == 8);
  for (const char* key : {"median_ms", "q1_ms", "q3_ms", "items_per_s", "loaded_rss_mb", "peak_share", "gmacs"}) {
    CAPTURE(key);
    CHECK(cell.at(key).get<double>() > 0);
  }
  CHECK(cell["peak_rss_mb"].get<double>() >= cell["loaded_rss_mb"].get<double>());
  CHECK(cell["q1_ms"].get<double>() <= cell["median_ms"].get<double>());
  CHECK(cell["items_per_s"].get<double>() == Approx(1e3 / cell["median_ms"].get<double>()).epsilon(1e-4));
  CHECK(cell["deviation"].get<double>() < 1e-4);
  CHECK(cell["operations"].size() > 5);
  double counted = 0;
  for (const auto& operation : cell["operations"]) counted += operation["gigabytes"].get<double>();
  CHECK(counted > 0);
}

TEST_CASE("bench latency takes the forms that a model has") {
  const auto form = [](const std::string& model, const std::string& name) {
    return bench({"latency", "--model", model, "--size", "64", "--reps", "3", "--json", "--form", name});
  };
  for (const auto* name : {"parallel", "chunkwise", "recurrent", "auto"}) {
    for (const auto* model : {"test_vir", "test_rmt_retention"}) {
      const auto run = form(model, name);
      INFO(run.err);
      REQUIRE(run.exit_code == 0);
      CHECK(json::parse(run.out)["cells"][0]["form"] == name);
    }
  }
  const auto refused = form("test_rmt", "chunkwise");
  CHECK(refused.exit_code == 1);
  CHECK_THAT(refused.err, Contains("chunkwise") && Contains("MaSA"));
}

TEST_CASE("bench compare: same file, planted loss, other conditions, no result") {
  const Folder folder;
  const auto run = bench(kLatency);
  REQUIRE(run.exit_code == 0);
  auto result = json::parse(run.out);
  auto& times = result["cells"][0]["times_ms"];
  times = {1.0, 1.1, 1.05, 1.02, 1.08, 1.03, 1.01, 1.04};  // measured ones vary with the load of the machine
  const auto before = folder.write("before.json", result.dump());
  const auto same = bench({"compare", before, before});
  CHECK(same.exit_code == 0);
  CHECK_THAT(same.out, Contains("no difference"));
  for (auto& time : times) time = time.get<double>() * 3;
  const auto slower = folder.write("slower.json", result.dump());
  const auto loss = bench({"compare", before, slower});
  CHECK(loss.exit_code == 1);
  CHECK_THAT(loss.out, Contains("slower"));
  CHECK_THAT(bench({"compare", slower, before}).out, Contains("faster"));
  result["threads"] = 2;
  CHECK_THAT(bench({"compare", before, folder.write("threads.json", result.dump())}).out, Contains("threads differs"));
  const auto broken = bench({"compare", before, folder.write("broken.json", "{}")});
  CHECK(broken.exit_code == 1);
  CHECK_THAT(broken.err, Contains("broken.json") && Contains("retentive bench"));
  CHECK_THAT(bench({"compare", before, "/nowhere.json"}).err, Contains("/nowhere.json"));
}

TEST_CASE("bench scaling measures every cell once, goes on, and leaves out what would exceed a limit") {
  const Folder folder;
  const auto out = (folder.path / "report").string();
  const auto scaling = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"scaling", "--models", "test_rmt,test_vir,vit_t", "--forms", "parallel,chunkwise",
                               "--reps", "3", "--threads", "1", "--out", out});
    return bench(more);
  };
  const auto first = scaling({"--sizes", "32,64"});
  INFO(first.err);
  REQUIRE(first.exit_code == 0);
  const auto read = [&] {
    std::ifstream file(folder.path / "report" / "results.json");
    return json::parse(file);
  };
  const auto before = read();
  REQUIRE(before["cells"].size() == 8);  // 2 sizes of an RMT, a ViR in two forms and a ViT
  CHECK(before["cells"][0]["model"] == "test_rmt");
  CHECK(before["cells"][1]["form"] == "parallel");
  CHECK(before["cells"][3]["mixer"] == "attention");
  for (const auto& cell : before["cells"]) CHECK(cell["times_ms"].size() == 3);
  for (const char* file : {"results.csv", "results.md", "report.html"}) {
    CHECK(std::filesystem::file_size(folder.path / "report" / file) > 500);
  }
  const auto again = scaling({"--sizes", "32,64,96"});
  CHECK(again.exit_code == 1);
  CHECK_THAT(again.err, Contains("--resume"));
  REQUIRE(scaling({"--sizes", "32,64,96", "--resume"}).exit_code == 0);
  const auto after = read();
  REQUIRE(after["cells"].size() == 12);
  CHECK(after["cells"][0]["times_ms"] == before["cells"][0]["times_ms"]);
  const auto limited = scaling({"--sizes", "128,20000", "--max-mem", "1", "--resume"});
  REQUIRE(limited.exit_code == 0);
  CHECK_THAT(limited.out, Contains("--max-mem is 1.0") && Contains("Exponents"));
  const auto drawn = bench({"report", out + "/results.json", "--out", out + "/again"});
  CHECK(drawn.exit_code == 0);
  CHECK(std::filesystem::exists(folder.path / "report" / "again" / "report.html"));
}

TEST_CASE("bench scaling trains models of images over sizes and language models over tokens") {
  const auto run =
      bench({"scaling", "--training", "--models", "test_vir,test_retnet,test_transformer", "--sizes", "32", "--tokens",
             "64,16", "--forms", "parallel,chunkwise", "--batch", "2", "--reps", "3", "--threads", "1", "--json"});
  INFO(run.err);
  REQUIRE(run.exit_code == 0);
  const auto results = json::parse(run.out);
  const auto cells = results["cells"];
  REQUIRE(cells.size() == 8);  // a ViR in two forms; of either length a RetNet in two forms and a transformer
  for (const auto& cell : cells) {
    CHECK(cell["task"] == "training");
    CHECK(cell["batch"] == 2);
    CHECK(cell["times_ms"].size() == 3);
    CHECK(cell["peak_rss_mb"].get<double>() > cell["loaded_rss_mb"].get<double>());
  }
  CHECK(cells[1]["form"] == "chunkwise");
  CHECK(cells[1]["height"] == 32);
  CHECK(cells[2]["tokens"] == 16);
  CHECK(cells[2]["mixer"] == "retention");
  CHECK(cells[7]["tokens"] == 64);
  CHECK(cells[7]["mixer"] == "attention");
  CHECK_THAT(results["command"].get<std::string>(), Contains("--training") && Contains("--tokens 16,64"));
  const auto long_text = bench({"scaling", "--training", "--models", "test_retnet", "--tokens", "64,16000000",
                                "--max-mem", "2", "--reps", "3", "--batch", "1"});
  CHECK_THAT(long_text.out, Contains("--max-mem is 2.0") || Contains("--max-time is 120"));
}

TEST_CASE("bench scaling refuses what it cannot measure") {
  CHECK_THAT(bench({"scaling", "--training", "--models", "test_rmt", "--precision", "bf16"}).err, Contains("fp32"));
  CHECK(bench({"scaling", "--models", "test_retnet", "--tokens", "64"}).exit_code == 2);
  CHECK_THAT(bench({"scaling", "--training", "--models", "test_retnet", "--tokens", "0"}).err, Contains("at least 1"));
  CHECK_THAT(bench({"scaling", "--models", "rtm_t"}).err, Contains("rmt_t"));
  CHECK_THAT(bench({"scaling", "--models", "test_retnet"}).err, Contains("bench language"));
  CHECK_THAT(bench({"scaling", "--sizes", "0"}).err, Contains("at least 1 pixel"));
  CHECK(bench({"scaling", "--forms", "sideways"}).exit_code == 2);
}

TEST_CASE("bench training takes images and text") {
  const auto train = [](std::vector<std::string> more) {
    more.insert(more.begin(), {"training", "--batch", "2", "--warmup", "1", "--reps", "2", "--json"});
    const auto run = bench(more);
    INFO(run.err);
    REQUIRE(run.exit_code == 0);
    return json::parse(run.out)["cells"][0];
  };
  const auto image = train({"--model", "test_rmt", "--size", "32"});
  CHECK(image["task"] == "training");
  CHECK(image["height"] == 32);
  const auto text = train({"--model", "test_retnet", "--tokens", "48", "--form", "chunkwise"});
  CHECK(text["tokens"] == 48);
  CHECK(text["form"] == "chunkwise");
  CHECK(text["items_per_s"].get<double>() == Approx(2 * 48e3 / text["median_ms"].get<double>()).epsilon(1e-3));
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
    return json::parse(result.out)["cells"];
  };
  const auto of_task = [](const json& cells, const std::string& task) {
    std::vector<json> found;
    for (const auto& cell : cells) {
      if (cell["task"] == task) found.push_back(cell);
    }
    return found;
  };
  const auto prompt = run({}), random = run({"--random-state"});
  CHECK(of_task(prompt, "prefill").size() == 4);
  CHECK(of_task(random, "prefill").empty());
  const auto read = of_task(prompt, "decode"), filled = of_task(random, "decode");
  REQUIRE(read.size() == 4);
  REQUIRE(filled.size() == 4);
  for (size_t i = 0; i < 4; ++i) {
    CHECK(filled[i]["times_ms"].size() == 3);
    CHECK(filled[i]["state_mb"] == read[i]["state_mb"]);
    CHECK(filled[i]["bandwidth_share"].get<double>() > 0);
  }
  // A cache grows with the context, by 61 tokens here; the state of retention does not.
  CHECK(filled[1]["state_mb"].get<double>() > 7 * filled[0]["state_mb"].get<double>());
  CHECK(filled[2]["state_mb"] == filled[3]["state_mb"]);
  CHECK(bench({"language", "--by-token", "--random-state"}).exit_code == 2);
  const auto apart = run({"--apart"});
  REQUIRE(apart.size() == prompt.size());
  for (const auto& cell : apart) CHECK(cell["peak_rss_mb"].get<double>() >= cell["loaded_rss_mb"].get<double>());
  CHECK(of_task(apart, "decode")[0]["loaded_rss_mb"].get<double>() > 0);
  CHECK(read[0]["loaded_rss_mb"] == 0);
}

TEST_CASE("bench refuses sizes and models that are none") {
  CHECK_THAT(bench({"latency", "--model", "test_rmt", "--size", "0"}).err, Contains("--size") && Contains("480x640"));
  CHECK_THAT(bench({"latency", "--model", "test_rmt", "--size", "64x"}).err, Contains("--size"));
  CHECK_THAT(bench({"latency", "--model", "rtm_t"}).err, Contains("rmt_t"));
  CHECK(bench({"latency", "--json", "--serve"}).exit_code == 2);
}

}  // namespace
}  // namespace retentive::testing
