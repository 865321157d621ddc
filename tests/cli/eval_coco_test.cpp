#include <nlohmann/json.hpp>

#include <cli/program.h>
#include <datasets/files.h>
#include <support/catch.h>
#include <support/close.h>
#include <support/fixture_file.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

/// A case of the fixture as the two files that the command reads.
struct Files {
  Files() : item(read_fixture_json("coco/eval.json")[0]) {
    std::ofstream(annotations) << item["gt"];
    std::ofstream(results) << item["dt"];
  }

  ProcessResult run(std::vector<std::string> flags) const {
    flags.insert(flags.begin(), {"eval", "coco", "--annotations", annotations, "--results", results});
    return retentive_program(flags);
  }

  TemporaryFolder folder;
  std::string annotations = (folder / "gt.json").string();
  std::string results = (folder / "dt.json").string();
  json item;
};

TEST_CASE("eval coco: JSON with the numbers of pycocotools") {
  const Files files;
  for (const std::string type : {"bbox", "segm"}) {
    const auto result = files.run({"--type", type, "--json"});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    REQUIRE(lines_of(result.out).size() == 1);
    const json found = json::parse(result.out);
    const json& expected = files.item[type];
    CHECK(deviation(found["stats"].get<std::vector<double>>(), expected["stats"].get<std::vector<double>>()) < 1e-9);
    REQUIRE(found["per_class"].size() == expected["ap"].size());
    int64_t last = -1;
    for (size_t i = 0; i < expected["ap"].size(); ++i) {
      const json& score = found["per_class"][i];
      CHECK(score["ap"].get<double>() == Approx(expected["ap"][i].get<double>()));
      CHECK(score["category_id"].get<int64_t>() > last);
      last = score["category_id"];
      CHECK(score["name"] == "c" + std::to_string(last));
    }
  }
}

TEST_CASE("eval coco: boxes need no masks, ids may be texts, other categories are dropped with a count") {
  const std::vector<double> expected = {0.70198, 0.752475, 0.752475, 0, 0.9, -1, 0.7, 0.7, 0.7, 0, 0.9, -1};
  for (const std::string name : {"flat_bbox", "string_ids", "other_classes"}) {
    const auto path = [&](const char* end) { return fixture_path("cases/coco/" + name + end); };
    const auto result = retentive_program(
        {"eval", "coco", "--type", "bbox", "--json", "--annotations", path(".gt.json"), "--results", path(".dt.json")});
    INFO(name << result.err);
    REQUIRE(result.exit_code == 0);
    CHECK(deviation(json::parse(result.out)["stats"].get<std::vector<double>>(), expected) < 1e-5);
    CHECK((result.err.find("note: 1 result of classes that ") != std::string::npos) == (name == "other_classes"));
  }
}

TEST_CASE("eval coco: twelve lines and a row for each class") {
  const Files files;
  const auto result = files.run({"--threads", "1"});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  const auto lines = lines_of(result.out);
  REQUIRE(lines.size() == 14 + files.item["gt"]["categories"].size());
  CHECK_THAT(lines[0], Contains("Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ]"));
  CHECK_THAT(lines[11], Contains("Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | maxDets=100 ]"));
  CHECK_THAT(lines[13], Contains("class") && Contains("AP"));
}

TEST_CASE("eval coco: wrong input is named") {
  const Files files;
  const auto usage = files.run({"--type", "boxes"});
  CHECK(usage.exit_code == 2);
  CHECK_THAT(usage.err, Contains("\"bbox\" | \"segm\""));
  CHECK(retentive_program({"eval", "coco", "--annotations", files.annotations}).exit_code == 2);
  CHECK(retentive_program({"eval"}).exit_code == 2);
  json stray = files.item["dt"];
  stray[0]["image_id"] = 100000;
  std::ofstream(files.results) << stray;
  const auto unknown = files.run({"--json"});
  CHECK(unknown.exit_code == 1);
  CHECK(unknown.out.empty());
  CHECK_THAT(unknown.err, Contains("image_id 100000") && Contains("gt.json"));
  std::ofstream(files.results) << "[{";
  const auto cut = files.run({});
  CHECK(cut.exit_code == 1);
  CHECK_THAT(cut.err, Contains("dt.json ends in the middle, after 2 bytes"));
  json zero = files.item["gt"];
  zero["annotations"][0]["id"] = 0;
  std::ofstream(files.annotations) << zero;
  std::ofstream(files.results) << "[]";
  const auto warned = files.run({"--json"});
  CHECK(warned.exit_code == 0);
  CHECK_THAT(warned.err, Contains("warning") && Contains("id 0"));
}

}  // namespace
}  // namespace retentive::testing
