#include <nlohmann/json.hpp>

#include <bench/bench_program.h>
#include <support/catch.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

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
  const auto lists = bench({"language", "--models", "test_retnet", "--contexts", "9,20", "--precision", "fp32,bf16",
                            "--batch", "1,3", "--steps", "3", "--random-state", "--json"});
  REQUIRE(lists.exit_code == 0);
  const auto cases = json::parse(lists.out)["cells"];
  REQUIRE(cases.size() == 8);
  CHECK(cases[3]["batch"] == 3);
  CHECK(cases[3]["precision"] == "fp32");
  CHECK(cases[4]["precision"] == "bf16");
  CHECK(cases[7]["tokens"] == 20);
  CHECK(cases[7]["state_mb"].get<double>() == Approx(3 * cases[4]["state_mb"].get<double>()));
  CHECK_THAT(bench({"language", "--models", "test_retnet", "--batch", "0"}).err, Contains("--batch has 0"));
}

TEST_CASE("bench refuses sizes and models that are none") {
  CHECK_THAT(bench({"latency", "--model", "test_rmt", "--size", "0"}).err, Contains("--size") && Contains("480x640"));
  CHECK_THAT(bench({"latency", "--model", "test_rmt", "--size", "64x"}).err, Contains("--size"));
  CHECK_THAT(bench({"latency", "--model", "rtm_t"}).err, Contains("rmt_t"));
  CHECK(bench({"latency", "--json", "--serve"}).exit_code == 2);
}

}  // namespace
}  // namespace retentive::testing
