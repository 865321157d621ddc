#include <nlohmann/json.hpp>

#include <bench/bench_program.h>
#include <support/catch.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

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
  REQUIRE(scaling({"--sizes", "32x96", "--resume"}).exit_code == 0);
  CHECK(read()["cells"].back()["width"] == 96);
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
  CHECK_THAT(bench({"scaling", "--sizes", "224x"}).err, Contains("224x") && Contains("480x640"));
  CHECK(bench({"scaling", "--forms", "sideways"}).exit_code == 2);
}

}  // namespace
}  // namespace retentive::testing
