#include <array>
#include <cstdlib>
#include <map>
#include <optional>

#include <nlohmann/json.hpp>

#include <cli/program.h>
#include <datasets/files.h>
#include <datasets/image_io.h>
#include <datasets/video/frame_source.h>
#include <models/formats/safetensors.h>
#include <support/catch.h>
#include <support/close.h>
#include <support/fixture_file.h>

// Inputs that people had trouble with, run through the program; tests/fixtures/cases/README.md has the right answers.

namespace retentive::testing {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using datasets::Image;
using nlohmann::json;

using Colour = std::array<int, 3>;
/// Top left, top right, bottom left, bottom right.
using Quadrants = std::array<Colour, 4>;

constexpr Quadrants kColours = {{{220, 40, 40}, {40, 200, 60}, {50, 70, 210}, {240, 230, 60}}};
constexpr Quadrants kTurned = {{{50, 70, 210}, {220, 40, 40}, {240, 230, 60}, {40, 200, 60}}};
constexpr Quadrants kGreys = {{{17, 17, 17}, {85, 85, 85}, {170, 170, 170}, {238, 238, 238}}};

fs::path case_path(const std::string& name) {
  const char* other = std::getenv("RETENTIVE_CASES");
  return (other != nullptr ? fs::path(other) : fs::path(fixture_path("cases"))) / name;
}

json case_json(const std::string& name) {
  std::ifstream in(case_path(name));
  return json::parse(in);
}

/// Mean colours of the quadrants, without their borders, which compression blurs.
Quadrants quadrants_of(const Image& image) {
  Quadrants means{};
  for (int quadrant = 0; quadrant < 4; ++quadrant) {
    const int64_t height = image.height / 2, width = image.width / 2;
    const int64_t top = quadrant / 2 * height, left = quadrant % 2 * width;
    std::array<double, 3> sums{};
    double count = 0;
    for (int64_t y = top + height / 4; y < top + height * 3 / 4; ++y) {
      for (int64_t x = left + width / 4; x < left + width * 3 / 4; ++x, ++count) {
        for (int64_t c = 0; c < 3; ++c) sums[c] += image.pixels[(y * image.width + x) * image.channels + c];
      }
    }
    for (size_t c = 0; c < 3; ++c) means[quadrant][c] = static_cast<int>(sums[c] / count);
  }
  return means;
}

void check_quadrants(const Image& image, const Quadrants& expected) {
  constexpr int kTolerance = 12;
  const auto means = quadrants_of(image);
  for (size_t quadrant = 0; quadrant < 4; ++quadrant) {
    for (size_t c = 0; c < 3; ++c) {
      CAPTURE(quadrant, c, means[quadrant][c], expected[quadrant][c]);
      CHECK(std::abs(means[quadrant][c] - expected[quadrant][c]) <= kTolerance);
    }
  }
}

/// Lines on stderr that are not the program's own.
std::vector<std::string> foreign_lines(const std::string& text) {
  std::vector<std::string> foreign;
  for (const auto& line : lines_of(text)) {
    const bool own = line.empty() || line.starts_with("note: ") || line.starts_with("model: ") ||
                     line.starts_with("error: ") || line.find("images") != std::string::npos;
    if (!own) foreign.push_back(line);
  }
  return foreign;
}

/// The drawing that `detect` makes of a file in which it shall find nothing.
ProcessResult draw(const fs::path& file, const fs::path& out) {
  auto result = retentive_program({"detect", "--threshold", "1", "--draw", out.string(), file.string()});
  CHECK(foreign_lines(result.err) == std::vector<std::string>());
  return result;
}

TEST_CASE("cases: pictures are decoded as they are meant", "[cases]") {
  const std::map<std::string, Quadrants> pictures = {
      {"rgb16_planar.tif", kColours},
      {"miniswhite16.tif", {{{20, 20, 20}, {90, 90, 90}, {160, 160, 160}, {235, 235, 235}}}},
      {"bitfields32_rgbx.bmp", kColours},
      {"ascii.ppm", kColours},
      {"raw_profile_exif6.png", kTurned},
      {"grey4.tif", kGreys},
      {"maxval15.pgm", kGreys},
      {"animated.webp", kColours},
      {"no_eoi.jpg", kColours},
      {"big.tif", kColours}};
  const TemporaryFolder folder;
  for (const auto& [name, expected] : pictures) {
    INFO(name);
    const auto result = draw(case_path("images/" + name), folder / name);
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    check_quadrants(datasets::decode_image(folder / name / fs::path(name).replace_extension(".jpg")), expected);
  }
}

std::vector<Image> frames_of(const fs::path& path) {
  std::vector<Image> frames;
  for (auto source = datasets::FrameSource::open(path); auto frame = source.next();) frames.push_back(*frame);
  return frames;
}

std::vector<json> detect_records(const std::vector<std::string>& paths, int exit_code) {
  std::vector<std::string> arguments = {"detect", "--threshold", "1", "--json"};
  arguments.insert(arguments.end(), paths.begin(), paths.end());
  const auto result = retentive_program(arguments);
  INFO(result.err);
  CHECK(result.exit_code == exit_code);
  std::vector<json> records;
  for (const auto& line : lines_of(result.out)) records.push_back(json::parse(line));
  return records;
}

TEST_CASE("cases: videos are shown upright, at their sizes and times", "[cases]") {
  const TemporaryFolder folder;
  for (const auto& [name, expected] :
       {std::pair("plain.mp4", kColours), {"turned90.mp4", kTurned}, {"fps2000.mp4", kColours}}) {
    INFO(name);
    const auto result = draw(case_path("video/" + std::string(name)), folder / name);
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    const auto frames = frames_of(folder / name / fs::path(name).replace_extension(".avi"));
    REQUIRE(!frames.empty());
    for (const auto& frame : frames) check_quadrants(frame, expected);
  }
  const auto resized = frames_of(case_path("video/resized.webm"));
  REQUIRE(resized.size() == 8);
  CHECK(resized[3].height == resized[0].height);
  CHECK(resized[4].height > resized[0].height);
  check_quadrants(resized[7], kColours);
  const auto result = draw(case_path("video/resized.webm"), folder / "resized");
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(frames_of(folder / "resized/resized.avi").size() == 8);
}

TEST_CASE("cases: an odd video never stops the inputs after it", "[cases]") {
  const auto video = [](const std::string& name) { return case_path("video/" + name).string(); };
  const auto both = detect_records({video("fps2000.mp4"), video("plain.mp4")}, 0);
  const auto of = [&](const std::string& name) {
    return std::count_if(both.begin(), both.end(), [&](const json& record) { return record["path"] == video(name); });
  };
  CHECK(of("fps2000.mp4") > 0);
  CHECK(of("fps2000.mp4") == of("plain.mp4"));
  const auto timed = detect_records({video("variable_rate.mkv")}, 0);
  const std::vector<double> times = {0, 0.1, 5, 5.1};
  REQUIRE(timed.size() == times.size());
  for (size_t i = 0; i < times.size(); ++i) CHECK(timed[i]["time"].get<double>() == Approx(times[i]).margin(2e-3));
}

TEST_CASE("cases: COCO numbers are those of pycocotools", "[cases]") {
  const std::vector<double> expected = {0.70198, 0.752475, 0.752475, 0.0, 0.9, -1.0, 0.7, 0.7, 0.7, 0.0, 0.9, -1.0};
  for (const std::string name : {"flat_bbox", "string_ids", "other_classes"}) {
    INFO(name);
    const auto file = [&](const std::string& ending) { return case_path("coco/" + name + ending).string(); };
    const auto result = retentive_program(
        {"eval", "coco", "--annotations", file(".gt.json"), "--results", file(".dt.json"), "--type", "bbox", "--json"});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    CHECK(deviation(json::parse(result.out)["stats"].get<std::vector<double>>(), expected) < 1e-5);
  }
}

TEST_CASE("cases: detectors are scored by class names", "[cases]") {
  const auto result = retentive_program({"eval", "detect", "--images", source_dir() + "/assets/scenes", "--annotations",
                                         case_path("other/scenes_ids_reversed.json").string(), "--json"});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(json::parse(lines_of(result.out).front())["stats"][0].get<double>() == Approx(0.914).margin(0.005));
}

TEST_CASE("cases: images of one name in two folders keep their ids", "[cases]") {
  const TemporaryFolder folder;
  const auto scene = fs::path(source_dir()) / "assets/scenes";
  auto pictures = fs::directory_iterator(scene);
  while (pictures->path().extension() != ".jpg") ++pictures;
  for (const std::string name : {"a", "b"}) {
    fs::create_directory(folder / name);
    fs::copy_file(pictures->path(), folder / name / "1.jpg");
  }
  const auto annotations = case_path("other/same_names.gt.json").string(), out = (folder / "dt.json").string();
  const auto result =
      retentive_program({"detect", "--coco", out, "--annotations", annotations, folder.path().string()});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  std::ifstream in(out);
  std::map<int64_t, int> ids;
  for (const auto& detection : json::parse(in)) ++ids[detection["image_id"].get<int64_t>()];
  CHECK(ids.size() == 2);
  CHECK(ids[11] > 0);
  CHECK(ids[11] == ids[22]);
  const auto ambiguous = retentive_program({"detect", "--coco", out, "--annotations", annotations,
                                            (folder / "a/1.jpg").string(), pictures->path().string()});
  CHECK(ambiguous.exit_code == 1);
}

TEST_CASE("cases: a byte order mark is no part of a class name", "[cases]") {
  const auto picture = fs::path(source_dir()) / "assets/samples";
  const auto result = retentive_program(
      {"classify", "--labels", case_path("other/labels_bom.txt").string(), picture.string(), "--json"});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  std::vector<std::string> names;
  for (const auto& line : lines_of(result.out)) names.push_back(json::parse(line)["top"][0]["label"]);
  CHECK(std::find(names.begin(), names.end(), "zero") != names.end());
}

TEST_CASE("cases: what only transparency shows is seen", "[cases]") {
  const auto file = case_path("other/canvas_black_3.png");
  const auto result = retentive_program({"classify", file.string(), "--json"});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK_THAT(result.err, Contains("note: ") && Contains("canvas_black_3.png"));
  // The built-in model knows light strokes on black: the negative of what was decoded.
  auto image = datasets::decode_image(file);
  for (auto& value : image.pixels) value = static_cast<uint8_t>(255 - value);
  const TemporaryFolder folder;
  datasets::write_image(folder / "negative.png", image);
  const auto negative = retentive_program({"classify", (folder / "negative.png").string(), "--json"});
  CHECK(json::parse(lines_of(negative.out).front())["top"][0]["label"] == "3");
}

ProcessResult generate(const std::string& model, std::vector<std::string> flags = {}) {
  flags.insert(flags.begin(), {"generate", "--weights", case_path("language/" + model).string(), "--prompt", "a",
                               "--temperature", "0", "-n", "12"});
  return retentive_program(flags);
}

TEST_CASE("cases: weights that are not numbers are refused", "[cases]") {
  const TemporaryFolder folder;
  const auto refused = [](const ProcessResult& result) {
    INFO(result.out << result.err);
    CHECK(result.exit_code == 1);
    CHECK_THAT(result.err, Contains("error: [") && (Contains("finite") || Contains("NaN")));
  };
  for (const std::string precision : {"fp32", "bf16", "int8", "int4"}) {
    INFO(precision);
    refused(generate("nan_weight", {"--precision", precision}));
    refused(generate("nan_weight", {"--precision", precision, "--num-beams", "3"}));
    refused(retentive_program({"generate", "--weights", case_path("language/nan_weight").string(), "--prompt", "a",
                               "--temperature", "1", "--precision", precision}));
    std::ofstream(folder / "text.txt") << "abcabcabc";
    refused(retentive_program({"perplexity", "--weights", case_path("language/nan_weight").string(), "--precision",
                               precision, (folder / "text.txt").string()}));
  }
}

TEST_CASE("cases: a model's own files say what ends a text", "[cases]") {
  for (const std::string model : {"eos_list", "eos_config_only"}) {
    INFO(model);
    const auto result = generate(model, {"--json"});
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    std::string text, reason;
    for (const auto& line : lines_of(result.out)) {
      const auto record = json::parse(line);
      if (record.contains("done")) {
        reason = line;
      } else {
        text += record["text"].get<std::string>();
      }
    }
    CHECK(text == "bc");
    CHECK_THAT(reason, Contains("eos"));
  }
}

TEST_CASE("cases: weights under other names load", "[cases]") {
  const TemporaryFolder folder;
  const auto tied = retentive_program(
      {"convert", case_path("language/tied_only_head").string(), (folder / "tied.safetensors").string()});
  INFO(tied.err);
  CHECK(tied.exit_code == 0);
  const auto out = (folder / "out.safetensors").string();
  const auto compiled = retentive_program({"forward", "--config", case_path("language/ours.json").string(), "--weights",
                                           case_path("language/compiled.pth").string(), "--inputs",
                                           case_path("language/tokens.safetensors").string(), "--outputs", out});
  INFO(compiled.err);
  REQUIRE(compiled.exit_code == 0);
  using models::formats::SafetensorsFile;
  const auto wanted = SafetensorsFile::open(case_path("language/plain.want.safetensors"));
  CHECK(deviation(fixture_values<float>(SafetensorsFile::open(out), "logits"),
                  fixture_values<double>(wanted, "logits")) < 1e-4);
}

}  // namespace
}  // namespace retentive::testing
