#include <filesystem>
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

#include <cli/program.h>
#include <datasets/coco.h>
#include <datasets/files.h>
#include <datasets/image_io.h>
#include <pipelines/detectors.h>
#include <support/catch.h>
#include <support/fixture_file.h>

namespace retentive::testing {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using nlohmann::json;

const std::string kScenes = source_dir() + "/assets/scenes";

double ap_of(const ProcessResult& result) {
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  return json::parse(lines_of(result.out).at(0)).at("stats").at(0);
}

/// `eval detect` of the built-in digits detector on the scenes, two of them so that it is quick.
class DigitScenes {
 public:
  explicit DigitScenes(const std::string& annotations) {
    truth_ = json::parse(std::ifstream(annotations));
    keep(truth_["images"], [](const json& image) { return image["id"] <= 2; });
    keep(truth_["annotations"], [](const json& object) { return object["image_id"] <= 2; });
  }

  json& truth() { return truth_; }

  ProcessResult run(std::vector<std::string> flags = {}) const {
    std::ofstream(gt_) << truth_;
    flags.insert(flags.begin(), {"eval", "detect", "--images", kScenes, "--annotations", gt_, "--json"});
    return retentive_program(flags);
  }

  std::string operator/(const std::string& name) const { return (folder_ / name).string(); }

  template <class Keep>
  static void keep(json& list, Keep&& wanted) {
    json kept = json::array();
    for (const auto& item : list) {
      if (wanted(item)) kept.push_back(item);
    }
    list = kept;
  }

 private:
  TemporaryFolder folder_;
  std::string gt_ = *this / "gt.json";
  json truth_;
};

TEST_CASE("eval detect: classes are matched by name, whatever their ids") {
  const DigitScenes original(kScenes + "/scenes.json");
  const auto expected = ap_of(original.run());
  CHECK(expected > 0.85);
  const DigitScenes reversed(fixture_path("cases/other/scenes_ids_reversed.json"));
  CHECK(ap_of(reversed.run()) == Approx(expected).margin(1e-9));
}

TEST_CASE("eval detect: foreign names are refused with the nearest, and a class map settles them") {
  DigitScenes scenes(kScenes + "/scenes.json");
  const auto expected = ap_of(scenes.run());
  json map;
  for (auto& category : scenes.truth()["categories"]) {
    const auto name = category["name"].get<std::string>();
    map[name] = category["name"] = "thing " + name;
  }
  const auto refused = scenes.run();
  CHECK(refused.exit_code == 1);
  CHECK(refused.out.empty());
  CHECK_THAT(refused.err, Contains("10 classes of ") && Contains("\"thing 3\" (nearest: \"3\")") &&
                              Contains("\"thing 9\" (nearest: \"9\")") && Contains("--class-map FILE"));
  std::ofstream(scenes / "map.json") << map;
  CHECK(ap_of(scenes.run({"--class-map", scenes / "map.json"})) == Approx(expected).margin(1e-9));
  map["7"] = "thing 77";
  std::ofstream(scenes / "map.json") << map;
  const auto wrong = scenes.run({"--class-map", scenes / "map.json"});
  CHECK(wrong.exit_code == 1);
  CHECK_THAT(wrong.err, Contains("\"thing 77\"") && Contains("nearest: \"thing 7\""));
}

TEST_CASE("eval detect: classes that the annotations lack are dropped with a count, left out ones do not score") {
  DigitScenes scenes(kScenes + "/scenes.json");
  const auto all = scenes.run();
  const auto per_class = json::parse(lines_of(all.out).at(0)).at("per_class");
  std::ofstream(scenes / "map.csv") << "0,\n1,\n2,\n";
  const auto mapped = scenes.run({"--class-map", scenes / "map.csv"});
  const auto is_gone = [](const std::string& name) { return name == "0" || name == "1" || name == "2"; };
  std::set<int64_t> gone;
  DigitScenes::keep(scenes.truth()["categories"], [&](const json& category) {
    if (is_gone(category["name"])) gone.insert(category["id"].get<int64_t>());
    return !is_gone(category["name"]);
  });
  DigitScenes::keep(scenes.truth()["annotations"],
                    [&](const json& object) { return !gone.contains(object["category_id"].get<int64_t>()); });
  const auto some = scenes.run();
  ap_of(some);
  CHECK_THAT(some.err, Contains("note: ") && Contains(" of classes that ") && Contains(" lacks dropped") &&
                           Contains("3 classes of the model not in "));
  const auto left = json::parse(lines_of(some.out).at(0)).at("per_class");
  REQUIRE(left.size() == 7);
  for (size_t i = 0; i < 7; ++i) CHECK(left[i]["ap"] == per_class[i + 3]["ap"]);
  CHECK(mapped.out == some.out);
}

/// A detector of three classes, and pictures below folders of their own with equal names.
class SameNames {
 public:
  SameNames() {
    save_random_detector(folder_ / "w.safetensors", "test_retinanet", {"0", "1", "2"});
    for (const char* name : {"in/a/1.jpg", "in/b/1.jpg", "other/1.jpg"}) {
      fs::create_directories((folder_ / name).parent_path());
      datasets::write_image(folder_ / name, patch_image(480, 640, 3, static_cast<uint32_t>(name[3])));
    }
    truth_ = read_fixture_json("cases/other/same_names.gt.json");
    std::ofstream(folder_ / "gt.json") << truth_;
  }

  ProcessResult detect(const std::vector<std::string>& more, const std::string& input = "") const {
    std::vector<std::string> arguments = {
        "detect",        "--threads",      "1", "--weights", *this / "w.safetensors", "--coco", *this / "dt.json",
        "--annotations", *this / "gt.json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return retentive_program(arguments, input);
  }

  /// The image ids of the results, in their order.
  std::vector<int64_t> ids(const std::vector<std::string>& paths, const std::string& input = "") const {
    const auto result = detect(paths, input);
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    std::vector<int64_t> ids;
    for (const auto& entry : datasets::read_coco_results(*this / "dt.json")) {
      if (ids.empty() || ids.back() != entry.image_id.number()) ids.push_back(entry.image_id.number());
    }
    return ids;
  }

  json& truth() { return truth_; }
  void rewrite() const { std::ofstream(folder_ / "gt.json") << truth_; }
  std::string operator/(const std::string& name) const { return (folder_ / name).string(); }

 private:
  TemporaryFolder folder_;
  json truth_;
};

TEST_CASE("detect --coco: an image is found by its path below the folder") {
  const SameNames set;
  using Ids = std::vector<int64_t>;
  CHECK(set.ids({set / "in"}) == Ids{11, 22});
  CHECK(set.ids({set / "in/b", set / "in/a"}) == Ids{22, 11});
  CHECK(set.ids({set / "in/b/1.jpg"}) == Ids{22});
  CHECK(set.ids({set / "in/*/1.jpg"}) == Ids{11, 22});
  CHECK(set.ids({"-"}, "\xEF\xBB\xBF" + (set / "in/../in/b/1.jpg") + "\r\n" + (set / "in/a/1.jpg") + "\n") ==
        Ids{22, 11});
}

TEST_CASE("detect --coco: a name that may be several images is refused before anything runs") {
  SameNames set;
  const auto refusal = [&](const std::vector<std::string>& paths) {
    const auto result = set.detect(paths);
    CHECK(result.exit_code == 1);
    CHECK(result.out.empty());
    CHECK_FALSE(fs::exists(set / "dt.json"));
    return result.err;
  };
  for (const char* path : {"other", "other/1.jpg"}) {
    CHECK_THAT(refusal({set / path}), Contains("other/1.jpg") && Contains("\"a/1.jpg\" or \"b/1.jpg\""));
  }
  CHECK_THAT(refusal({set / "in/a", set / "in/a/1.jpg"}), Contains("are both \"a/1.jpg\""));
  datasets::write_image(set / "in/a/2.jpg", patch_image(48, 64, 3, 1));
  CHECK_THAT(refusal({set / "in"}), Contains("a/2.jpg") && Contains("--annotations"));
  fs::remove(set / "in/a/2.jpg");
  // One entry, two pictures that end like it.
  set.truth()["images"].erase(1);
  set.truth()["images"][0]["file_name"] = "1.jpg";
  set.rewrite();
  CHECK_THAT(refusal({set / "in"}), Contains("a/1.jpg") && Contains("b/1.jpg") && Contains("are both \"1.jpg\""));
  set.truth()["images"][0]["width"] = 641;
  set.rewrite();
  CHECK_THAT(set.detect({set / "in/a"}).err, Contains("note: 1 image has another size"));
}

TEST_CASE("detect --coco: text ids, Windows paths and a class map") {
  SameNames set;
  set.truth()["images"][0] = {{"id", "img a"}, {"file_name", "C:\\set\\a\\1.jpg"}, {"height", 480}, {"width", 640}};
  set.truth()["annotations"][0]["image_id"] = "img a";
  set.truth()["annotations"][0]["category_id"] = 5;
  set.truth()["categories"] = {{{"id", 5}, {"name", "zero"}}, {{"id", 7}, {"name", "one"}}, {{"id", 9}, {"name", "?"}}};
  set.rewrite();
  const auto refused = set.detect({set / "in"});
  CHECK(refused.exit_code == 1);
  CHECK_THAT(refused.err, Contains("\"zero\" (nearest: ") && Contains("--class-map"));
  std::ofstream(set / "map.json") << R"({"0": "zero", "1": "one", "2": "zero"})";
  const auto result = set.detect({"--class-map", set / "map.json", "--threshold", "0", set / "in"});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  std::set<json> images, categories;
  for (const auto& entry : json::parse(std::ifstream(set / "dt.json"))) {
    images.insert(entry["image_id"]);
    categories.insert(entry["category_id"]);
  }
  CHECK(images == std::set<json>{"img a", 22});
  CHECK(categories == std::set<json>{5, 7});
}

TEST_CASE("detect --coco: annotations of an EXIF-turned picture as it is stored name the flag") {
  SameNames set;
  const auto picture = image_fixture("exif_6.jpg");
  const auto upright = datasets::decode_image(picture);
  fs::copy_file(picture, set / "in/a/1.jpg", fs::copy_options::overwrite_existing);
  set.truth()["images"][0]["height"] = upright.width;
  set.truth()["images"][0]["width"] = upright.height;
  set.rewrite();
  const auto refused = set.detect({set / "in/a"});
  CHECK(refused.exit_code == 1);
  CHECK_THAT(refused.err, Contains("EXIF") && Contains("--ignore-orientation"));
  const auto result = set.detect({"--ignore-orientation", "--draw", set / "drawn", set / "in/a"});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(datasets::decode_image(set / "drawn/1.jpg").height == upright.width);
}

}  // namespace
}  // namespace retentive::testing
