#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>

#include <nlohmann/json.hpp>

#include <cli/program.h>
#include <datasets/coco.h>
#include <datasets/files.h>
#include <datasets/image_io.h>
#include <datasets/video/frame_source.h>
#include <datasets/video/video_writer.h>
#include <pipelines/detectors.h>
#include <pipelines/helpers.h>
#include <support/catch.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using nlohmann::json;

std::string video_case(const std::string& name) { return source_dir() + "/tests/fixtures/cases/video/" + name; }

/// A folder with the weights of a small detector.
class Films {
 public:
  Films() { save_random_detector(folder_ / "w.safetensors", "test_mask_rcnn", {"ant", "bee", "cat"}); }

  std::string operator/(const std::string& name) const { return (folder_ / name).string(); }

  /// Makes a video of `count` frames at 5 a second.
  std::string film(const std::string& name, int count, int64_t height = 96, int64_t width = 128) const {
    datasets::VideoWriter video(*this / name, 5, height, width);
    for (int i = 0; i < count; ++i) video.write(patch_image(height, width, 3, 40 + static_cast<uint32_t>(i % 50)));
    video.close();
    return *this / name;
  }

  ProcessResult detect(std::vector<std::string> arguments, const std::string& input = "",
                       bool interrupt_at_output = false) const {
    arguments.insert(arguments.begin(),
                     {program_path(), "detect", "--threads", "1", "--weights", *this / "w.safetensors"});
    return run_process(arguments, input, {}, interrupt_at_output);
  }

 private:
  TemporaryFolder folder_;
};

std::vector<json> json_lines(const ProcessResult& result) {
  std::vector<json> records;
  for (const auto& line : lines_of(result.out)) records.push_back(json::parse(line));
  return records;
}

/// Whether a pixel of the frame is near the colour.
bool is_near(const vision::Image& frame, int64_t y, int64_t x, const std::array<int, 3>& colour) {
  for (int64_t c = 0; c < 3; ++c) {
    if (std::abs(frame.pixels[(y * frame.width + x) * 3 + c] - colour[c]) > 12) return false;
  }
  return true;
}

std::vector<vision::Image> frames_of(const std::string& path) {
  std::vector<vision::Image> frames;
  auto source = datasets::FrameSource::open(std::filesystem::path(path));
  while (auto frame = source.next()) frames.push_back(std::move(*frame));
  return frames;
}

TEST_CASE("detect: every frame of a video, drawn into a video") {
  const Films films;
  films.film("clip.avi", 3);
  datasets::write_image(films / "a.png", patch_image(90, 120, 3, 1));
  const auto result = films.detect({"--json", "--draw", films / "out", films / "clip.avi"});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  const auto records = json_lines(result);
  REQUIRE(records.size() == 3);
  for (size_t i = 0; i < 3; ++i) {
    CHECK(records[i].at("path") == films / "clip.avi");
    CHECK(records[i].at("frame") == i);
    CHECK(records[i].at("time").get<double>() == Approx(0.2 * static_cast<double>(i)).margin(1e-6));
    CHECK(records[i].at("detections").is_array());
  }
  const auto drawn = frames_of(films / "out/clip.avi");
  CHECK(drawn.size() == 3);
  for (const auto& frame : drawn) CHECK((frame.height == 96 && frame.width == 128));
  CHECK_THAT(films.detect({films / "clip.avi"}).out, Contains("clip.avi frame 2: "));
  write_bytes(films / "broken.avi", {'R', 'I', 'F', 'F'});
  const auto broken = films.detect({"--json", films / "broken.avi", films / "clip.avi", films / "a.png"});
  CHECK(broken.exit_code == 3);
  const auto all = json_lines(broken);
  REQUIRE(all.size() == 5);
  CHECK(all[0].at("path") == films / "a.png");
  CHECK_THAT(all[1].at("error").at("message").get<std::string>(), Contains("broken.avi"));
  CHECK(all[4].at("detections") == records[2].at("detections"));
  const auto coco = films.detect({"--coco", films / "dt.json", films / "clip.avi"});
  CHECK(coco.exit_code == 1);
  CHECK_THAT(coco.err, Contains("--coco"));
}

TEST_CASE("detect: turned, fast, varying and resized videos") {
  const Films films;
  // The built-in model, which finds nothing there to draw over the colours.
  const auto result =
      retentive_program({"detect", "--json", "--threshold", "1", "--draw", films / "out", video_case("turned90.mp4"),
                         video_case("fps2000.mp4"), video_case("variable_rate.mkv"), video_case("resized.webm")});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  std::map<std::string, std::vector<double>> times;
  for (const auto& record : json_lines(result)) {
    auto& known = times[std::filesystem::path(record.at("path").get<std::string>()).stem()];
    CHECK(record.at("frame") == known.size());
    CHECK(record.contains("detections"));
    known.push_back(record.at("time"));
  }
  CHECK(times.at("variable_rate") == std::vector<double>{0, 0.1, 5, 5.1});
  CHECK(times.at("fps2000") == std::vector<double>{0, 0.0005, 0.001, 0.0015});
  CHECK((times.at("turned90").size() == 4 && times.at("resized").size() == 8));

  const auto turned = frames_of(films / "out/turned90.avi");
  REQUIRE(turned.size() == 4);
  CHECK((turned[3].height == 64 && turned[3].width == 48));
  CHECK(is_near(turned[3], 16, 12, {50, 70, 210}));
  CHECK(is_near(turned[3], 48, 36, {40, 200, 60}));

  CHECK(frames_of(films / "out/fps2000.avi").size() == 4);
  const auto rate = datasets::FrameSource::open(std::filesystem::path(films / "out/fps2000.avi")).fps();
  CHECK((rate && *rate >= 1 && *rate <= 240));
  CHECK_THAT(result.err, Contains("fps2000.mp4 states 2000 frames a second"));

  auto varying = datasets::FrameSource::open(std::filesystem::path(films / "out/variable_rate.avi"));
  for (const double time : times.at("variable_rate")) {
    REQUIRE(varying.next());
    CHECK(varying.seconds() == Approx(time).margin(0.02));
  }
  CHECK(!varying.next());

  const auto resized = frames_of(films / "out/resized.avi");
  REQUIRE(resized.size() == 8);
  for (const auto& frame : resized) CHECK((frame.height == 48 && frame.width == 64));
  // 96x64 becomes 64x43, with black above and below.
  CHECK(is_near(resized[3], 12, 16, {220, 40, 40}));
  CHECK((is_near(resized[4], 0, 16, {0, 0, 0}) && is_near(resized[7], 47, 16, {0, 0, 0})));
  CHECK((is_near(resized[7], 13, 16, {220, 40, 40}) && is_near(resized[7], 35, 48, {240, 230, 60})));
  const auto first = result.err.find("letterboxed");
  CHECK((first != std::string::npos && result.err.find("letterboxed", first + 1) == std::string::npos));
}

TEST_CASE("detect: a video that ends badly is an error after its frames, and the next one begins") {
  const Films films;
  films.film("cut.avi", 20);
  std::filesystem::resize_file(films / "cut.avi", std::filesystem::file_size(films / "cut.avi") / 2);
  write_bytes(films / "empty.mp4", {});
  films.film("good.avi", 2);
  const auto result = films.detect({"--json", "--draw", films / "out", films / "cut.avi", films / "empty.mp4",
                                    films / "absent.mkv", films / "good.avi"});
  INFO(result.err);
  CHECK(result.exit_code == 3);
  const auto records = json_lines(result);
  REQUIRE(records.size() > 8);
  const size_t frames = records.size() - 5;
  for (size_t i = 0; i < frames; ++i) CHECK(records[i].at("frame") == i);
  const std::string message = records[frames].at("error").at("message");
  CHECK(records[frames].at("path") == films / "cut.avi");
  CHECK_THAT(message, Contains("cut.avi is damaged at frame " + std::to_string(frames)));
  CHECK(records[frames + 1].at("error").at("type") == "DataError");
  CHECK(records[frames + 2].at("error").at("type") == "DataError");
  CHECK((records[frames + 3].at("frame") == 0 && records[frames + 4].at("frame") == 1));
  CHECK(frames_of(films / "out/cut.avi").size() == frames);
  CHECK(frames_of(films / "out/good.avi").size() == 2);
  // What FFmpeg says is part of our messages, and no line of its own.
  CHECK(result.err.empty());
}

TEST_CASE("detect: a drawing that cannot be written is an error, and the next video begins") {
  const Films films;
  films.film("large.avi", 30, 200, 300);
  films.film("small.avi", 1, 16, 16);
  const std::string command = "ulimit -f 40; trap '' XFSZ; exec \"$0\" \"$@\"";
  const auto result = run_process({"/bin/sh", "-c", command, program_path(), "detect", "--json", "--threads", "1",
                                   "--weights", films / "w.safetensors", "--threshold", "1", "--draw", films / "out",
                                   films / "large.avi", films / "small.avi"});
  INFO(result.err);
  CHECK(result.exit_code == 3);
  const auto records = json_lines(result);
  REQUIRE(records.size() >= 3);
  const auto& failed = records[records.size() - 2];
  CHECK(failed.at("path") == films / "large.avi");
  CHECK_THAT(failed.at("error").at("message").get<std::string>(), Contains("out/large.avi cannot be written"));
  CHECK(records.back().at("path") == films / "small.avi");
  CHECK(records.back().contains("detections"));
}

TEST_CASE("detect: videos by pattern, folder and list, in letters of any size") {
  const Films films;
  std::filesystem::create_directories(films / "clips/deep");
  films.film("clips/a.avi", 1, 32, 32);
  films.film("clips/b.avi", 1, 32, 32);
  films.film("clips/deep/c.avi", 1, 32, 32);
  std::filesystem::rename(films / "clips/b.avi", films / "clips/B.AVI");
  datasets::write_image(films / "clips/z.png", patch_image(32, 32, 3, 1));
  const auto names_of = [&](const ProcessResult& result) {
    INFO(result.err);
    CHECK(result.exit_code == 0);
    std::vector<std::string> names;
    for (const auto& record : json_lines(result)) {
      names.push_back(std::filesystem::path(record.at("path").get<std::string>()).filename());
    }
    return names;
  };
  using Names = std::vector<std::string>;
  CHECK(names_of(films.detect({"--json", films / "clips/*.avi"})) == Names{"a.avi"});
  CHECK(names_of(films.detect({"--json", films / "clips/*"})) == Names{"z.png", "B.AVI", "a.avi", "c.avi"});
  CHECK(names_of(films.detect({"--json", films / "clips"})) == Names{"z.png", "B.AVI", "a.avi", "c.avi"});
  CHECK(names_of(films.detect({"--json", "-"}, (films / "clips/a.avi\n") + (films / "clips/z.png\n"))) ==
        Names{"z.png", "a.avi"});
  CHECK(names_of(films.detect({"--json", "--coco", films / "dt.json", films / "clips"})) == Names{"z.png"});
}

TEST_CASE("detect: Ctrl-C ends the whole run and keeps what was done") {
  const Films films;
  films.film("one.avi", 2000, 32, 32);
  films.film("two.avi", 2000, 32, 32);
  const auto videos = films.detect({"--json", "--draw", films / "out", films / "one.avi", films / "two.avi"}, "", true);
  INFO(videos.err);
  CHECK(videos.exit_code == 130);
  const auto records = json_lines(videos);
  CHECK((!records.empty() && records.size() < 2000));
  for (const auto& record : records) CHECK(record.at("path") == films / "one.avi");
  CHECK(frames_of(films / "out/one.avi").size() == records.size());
  CHECK_FALSE(std::filesystem::exists(films / "out/two.avi"));

  datasets::write_image(films / "a.png", patch_image(90, 120, 3, 1));
  std::string list;
  for (int i = 0; i < 1000; ++i) list += films / "a.png\n";
  const auto stopped = films.detect({"--json", "--coco", films / "dt.json", "-"}, list, true);
  CHECK(stopped.exit_code == 130);
  const auto found = json_lines(stopped);
  CHECK((!found.empty() && found.size() < 1000));
  size_t count = 0;
  for (const auto& record : found) count += record.at("detections").size();
  CHECK(datasets::read_coco_results(films / "dt.json").size() == count);
}

}  // namespace
}  // namespace retentive::testing
