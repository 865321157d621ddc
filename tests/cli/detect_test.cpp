#include <array>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <map>

#include <nlohmann/json.hpp>

#include <cli/program.h>
#include <datasets/coco.h>
#include <datasets/files.h>
#include <datasets/image_io.h>
#include <datasets/rle.h>
#include <pipelines/detectors.h>
#include <pipelines/helpers.h>
#include <support/catch.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using nlohmann::json;

/// A folder with weights and three pictures, one of them below a folder of its own.
class Scene {
 public:
  explicit Scene(const std::string& model = "test_mask_rcnn") {
    save_random_detector(folder_ / "w.safetensors", model, {"ant", "bee", "cat"});
    std::filesystem::create_directories(folder_ / "in/deep");
    datasets::write_image(folder_ / "in/a.png", patch_image(90, 120, 3, 1));
    datasets::write_image(folder_ / "in/b.jpg", patch_image(200, 130, 3, 2));
    datasets::write_image(folder_ / "in/deep/a.png", patch_image(64, 64, 1, 3));
  }

  std::string operator/(const std::string& name) const { return (folder_ / name).string(); }

  /// `detect` with the weights, on one thread so that runs are equal.
  ProcessResult detect(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"detect", "--threads", "1", "--weights", *this / "w.safetensors"});
    return retentive_program(arguments);
  }

 private:
  TemporaryFolder folder_;
};

std::vector<json> json_lines(const ProcessResult& result) {
  std::vector<json> records;
  for (const auto& line : lines_of(result.out)) records.push_back(json::parse(line));
  return records;
}

// The distance of pictures of one size: mean difference of a value.
double distance(const vision::Image& a, const vision::Image& b) {
  REQUIRE(a.pixels.size() == b.pixels.size());
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(a.pixels[i] - b.pixels[i]);
  return sum / static_cast<double>(a.pixels.size());
}

TEST_CASE("detect: a line for each picture, as text and as JSON") {
  const Scene scene;
  const auto text = scene.detect({scene / "in"});
  INFO(text.err);
  REQUIRE(text.exit_code == 0);
  CHECK(text.err.empty());
  const auto lines = lines_of(text.out);
  const auto result = scene.detect({"--json", scene / "in"});
  REQUIRE(result.exit_code == 0);
  const auto records = json_lines(result);
  REQUIRE((records.size() == 3 && lines.size() == 3));
  const std::map<std::string, std::array<int64_t, 2>> sizes = {
      {scene / "in/a.png", {90, 120}}, {scene / "in/b.jpg", {200, 130}}, {scene / "in/deep/a.png", {64, 64}}};
  size_t total = 0;
  for (size_t i = 0; i < records.size(); ++i) {
    INFO(lines[i]);
    const auto& record = records[i];
    CHECK(record.size() == 2);
    const std::string path = record.at("path");
    const auto [height, width] = sizes.at(path);
    const auto& detections = record.at("detections");
    CHECK_THAT(lines[i], StartsWith(path + ": " + std::to_string(detections.size()) + " object"));
    total += detections.size();
    for (const auto& found : detections) {
      const auto label = found.at("label").get<std::string>();
      CHECK(label == std::array{"ant", "bee", "cat"}.at(found.at("index").get<size_t>()));
      CHECK_THAT(lines[i], Contains(label + " "));
      CHECK(found.at("score").get<double>() >= 0.3);
      const auto box = found.at("box").get<std::vector<double>>();
      REQUIRE(box.size() == 4);
      CHECK((box[0] >= 0 && box[1] >= 0 && box[0] < box[2] && box[1] < box[3]));
      CHECK((box[2] <= static_cast<double>(width) && box[3] <= static_cast<double>(height)));
      const auto size = found.at("mask").at("size").get<std::array<int64_t, 2>>();
      CHECK(size == std::array{height, width});
      const auto mask = datasets::rle_from_text(found.at("mask").at("counts").get<std::string>(), size[0], size[1]);
      CHECK(datasets::rle_decode(mask).size() == static_cast<size_t>(height * width));
    }
  }
  CHECK(total >= 5);
}

TEST_CASE("detect: the threshold and the classes narrow what is told") {
  const Scene scene("test_retinanet");
  const auto all = json_lines(scene.detect({"--json", "--threshold", "0", scene / "in/a.png"})).at(0).at("detections");
  REQUIRE(all.size() >= 5);
  CHECK_FALSE(all[0].contains("mask"));
  const double middle = all[all.size() / 2].at("score");
  const std::string name = all[0].at("label");
  const auto some =
      json_lines(scene.detect({"--json", "--threshold", json(middle).dump(), "--classes", name, scene / "in/a.png"}))
          .at(0)
          .at("detections");
  json expected = json::array();
  for (const auto& found : all) {
    if (found.at("score") >= middle && found.at("label") == name) expected.push_back(found);
  }
  CHECK(some == expected);
  CHECK(some.size() < all.size());
  const auto unknown = scene.detect({"--classes", "ant,been", scene / "in/a.png"});
  CHECK(unknown.exit_code == 1);
  CHECK_THAT(unknown.err, Contains("\"been\"") && Contains("\"bee\""));
  CHECK(scene.detect({"--threshold", "2", scene / "in/a.png"}).exit_code == 2);
}

TEST_CASE("detect: pictures are drawn under names of their own") {
  const Scene scene;
  const auto result = scene.detect({"--draw", scene / "out/drawn", scene / "in"});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  const auto drawn = [&](const std::string& name) { return datasets::decode_image(scene / ("out/drawn/" + name)); };
  const auto a = drawn("a.jpg"), b = drawn("b.jpg"), second = drawn("a-2.jpg");
  CHECK((a.height == 90 && a.width == 120 && b.height == 200 && b.width == 130));
  CHECK((second.height == 64 && second.width == 64));
  CHECK(std::distance(std::filesystem::directory_iterator(scene / "out/drawn"), {}) == 3);
  // More than what the JPEG loses.
  const auto original = datasets::decode_image(scene / "in/b.jpg");
  datasets::write_image(scene / "plain.jpg", original);
  CHECK(distance(b, original) > distance(datasets::decode_image(scene / "plain.jpg"), original) + 3);
}

TEST_CASE("detect: results that eval coco takes, with the ids of the annotations") {
  const Scene scene;
  datasets::CocoAnnotations truth;
  truth.images = {{31, 90, 120, "a.png"}, {44, 200, 130, "b.jpg"}};
  truth.categories = {{5, "cat", ""}, {6, "bee", ""}, {9, "ant", ""}};
  for (const int64_t image : {0, 1}) {
    truth.annotations.push_back(
        {image + 1, image, 1, {10, 20, 30, 40}, 1200, false, {{10, 20, 40, 20, 40, 60, 10, 60}}, std::nullopt});
  }
  datasets::write_coco(scene / "gt.json", truth);
  const std::vector<std::string> pictures = {scene / "in/b.jpg", scene / "in/a.png"};
  auto arguments = pictures;
  arguments.insert(arguments.begin(), {"--json", "--coco", scene / "dt.json", "--annotations", scene / "gt.json"});
  const auto result = scene.detect(arguments);
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  const auto records = json_lines(result);
  const auto written = datasets::read_coco_results(scene / "dt.json");
  const std::map<std::string, int64_t> ids = {{"cat", 5}, {"bee", 6}, {"ant", 9}};
  size_t count = 0;
  for (size_t i = 0; i < 2; ++i) {
    for (const auto& found : records.at(i).at("detections")) {
      REQUIRE(count < written.size());
      const auto& entry = written[count++];
      CHECK(entry.image_id == (i == 0 ? 44 : 31));
      CHECK(entry.category_id == ids.at(found.at("label")));
      CHECK(entry.score == found.at("score").get<double>());
      CHECK(entry.box.value()[2] == Approx(found.at("box")[2].get<double>() - found.at("box")[0].get<double>()));
      CHECK(datasets::rle_to_text(entry.rle.value()) == found.at("mask").at("counts"));
    }
  }
  CHECK(count == written.size());
  CHECK(count >= 5);
  for (const std::string type : {"bbox", "segm"}) {
    const auto scored = retentive_program(
        {"eval", "coco", "--annotations", scene / "gt.json", "--results", scene / "dt.json", "--type", type, "--json"});
    INFO(scored.err);
    REQUIRE(scored.exit_code == 0);
    CHECK(json::parse(scored.out).at("stats").at(0).get<double>() >= 0);
  }
  CHECK(scene.detect({"--annotations", scene / "gt.json", scene / "in"}).exit_code == 2);
}

TEST_CASE("detect: results without annotations are numbered, and wrong annotations are named") {
  const Scene scene;
  const auto result = scene.detect({"--coco", scene / "dt.json", scene / "in/b.jpg", scene / "in/a.png"});
  REQUIRE(result.exit_code == 0);
  CHECK_THAT(result.err, Contains("--annotations"));
  for (const auto& entry : datasets::read_coco_results(scene / "dt.json")) {
    CHECK((entry.image_id == 1 || entry.image_id == 2));
    CHECK((entry.category_id >= 1 && entry.category_id <= 3));
  }
  datasets::CocoAnnotations truth;
  truth.images = {{31, 90, 120, "a.png"}};
  truth.categories = {{5, "cat", ""}, {6, "bee", ""}, {9, "ant", ""}};
  datasets::write_coco(scene / "gt.json", truth);
  const auto stray = scene.detect({"--coco", scene / "x.json", "--annotations", scene / "gt.json", scene / "in/b.jpg"});
  CHECK(stray.exit_code == 1);
  CHECK_THAT(stray.err, Contains("b.jpg") && Contains("--annotations"));
  truth.categories.pop_back();
  datasets::write_coco(scene / "gt.json", truth);
  const auto lacking = scene.detect({"--json", "--coco", scene / "x.json", "--annotations", scene / "gt.json",
                                     scene / "in/a.png", "--threshold", "0"});
  REQUIRE(lacking.exit_code == 0);
  int64_t ants = 0, others = 0;
  const auto records = json_lines(lacking);
  for (const auto& found : records.at(0).at("detections")) ++(found.at("label") == "ant" ? ants : others);
  CHECK((ants > 0 && others > 0));
  CHECK(datasets::read_coco_results(scene / "x.json").size() == static_cast<size_t>(others));
  CHECK_THAT(lacking.err, Contains("gt.json") && Contains("\"ant\"") && Contains("note: " + std::to_string(ants)));
}

TEST_CASE("detect: broken pictures are records, the others are done, exit code 3") {
  const Scene scene;
  write_bytes(scene / "in/broken.png", {'t', 'e', 'x', 't'});
  const auto result = scene.detect({"--json", "--draw", scene / "out", "--coco", scene / "dt.json", scene / "in"});
  CHECK(result.exit_code == 3);
  const auto records = json_lines(result);
  REQUIRE(records.size() == 4);
  for (const auto& record : records) {
    const auto path = record.at("path").get<std::string>();
    INFO(record.dump());
    CHECK(record.size() == 2);
    CHECK(record.contains("error") == path.ends_with("broken.png"));
    if (!record.contains("error")) continue;
    CHECK(record.at("error").at("type") == "DataError");
    CHECK_THAT(record.at("error").at("message").get<std::string>(), Contains("broken.png"));
  }
  CHECK(std::distance(std::filesystem::directory_iterator(scene / "out"), {}) == 3);
  CHECK_FALSE(datasets::read_coco_results(scene / "dt.json").empty());
  const auto text = scene.detect({scene / "in"});
  CHECK(text.exit_code == 3);
  CHECK(lines_of(text.out).size() == 3);
  CHECK_THAT(text.err, Contains("broken.png"));
}

TEST_CASE("detect: what cannot run is refused with the way out") {
  const Scene scene;
  const auto nothing = scene.detect({});
  CHECK(nothing.exit_code == 2);
  CHECK_THAT(nothing.err, Contains("--camera"));
  save_random_model(scene / "classifier.safetensors", "test_rmt");
  const auto classifier = retentive_program({"detect", "--weights", scene / "classifier.safetensors", scene / "in"});
  CHECK(classifier.exit_code == 1);
  CHECK(classifier.out.empty());
  CHECK_THAT(classifier.err, Contains("classifier.safetensors") && Contains("not a detector"));
  const auto named = retentive_program({"detect", "--model", "mask_rcnn_rmt_t", scene / "in"});
  CHECK(named.exit_code == 1);
  CHECK_THAT(named.err, Contains("mask_rcnn_rmt_t") && Contains("--weights"));
  const auto absent = scene.detect({scene / "in/absent.png"});
  CHECK(absent.exit_code != 0);
  CHECK_THAT(absent.err, Contains("absent.png"));
}

}  // namespace
}  // namespace retentive::testing
