#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <cli/program.h>
#include <datasets/files.h>
#include <datasets/image_io.h>
#include <support/catch.h>
#include <support/paths.h>

namespace retentive::testing {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;

const std::string kAssets = source_dir() + "/assets/";
const std::string kScene = kAssets + "scenes/000000.jpg";

/// Runs a shell script in the folder; the program is $0.
ProcessResult shell(const TemporaryFolder& folder, const std::string& script) {
  return run_process({"/bin/sh", "-c", "cd '" + folder.path().string() + "' && " + script, program_path()});
}

/// The program's error, which ends with exit code 1 and nothing on standard output.
std::string failure(const std::vector<std::string>& arguments) {
  const auto result = retentive_program(arguments);
  CHECK(result.exit_code == 1);
  CHECK(result.out.empty());
  return result.err;
}

std::vector<uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

TEST_CASE("detect: drawings never go over what is read", "[outputs]") {
  const TemporaryFolder folder;
  const auto own = folder / "own";
  const auto picture = own / "a.jpg";
  write_bytes(picture, read_bytes(kScene));
  write_bytes(own / "clip.avi", bytes_of("a video"));
  write_bytes(own / "more/a.jpg", read_bytes(kScene));
  fs::create_directory_symlink("own", folder / "link");
  fs::create_hard_link(picture, folder / "hard.json");
  const auto refused = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "detect");
    const auto message = failure(arguments);
    CHECK_THAT(message, !Contains("model:"));  // not even the model was read
    CHECK(read_bytes(picture) == read_bytes(kScene));
    CHECK(read_bytes(own / "clip.avi") == bytes_of("a video"));
    return message;
  };
  const auto same_file = Contains("same file as"), read = Contains("a.jpg, which is read");
  const auto same = same_file && read;  // which points to both
  CHECK_THAT(refused({own, "--draw", own}), same);
  CHECK_THAT(refused({picture, "--draw", folder / "own/more/.."}), same);
  CHECK_THAT(refused({picture, "--draw", folder / "link"}), same);
  CHECK_THAT(refused({own / "clip.avi", "--draw", folder / "link"}), Contains("clip.avi, which is read"));
  CHECK_THAT(refused({picture, "--coco", folder / "hard.json"}), same);
  CHECK_THAT(refused({picture, "--draw", folder / "out", "--coco", folder / "out/a.jpg"}),
             Contains("are the same file"));
  CHECK_THAT(refused({picture, "--coco", folder / "none/dt.json"}), Contains("none/dt.json cannot be written"));
  CHECK_THAT(refused({picture, "--draw", own / "a.jpg"}), Contains("a.jpg cannot be written"));
}

TEST_CASE("detect: results go into pipes and through links", "[outputs]") {
  const TemporaryFolder folder;
  const auto pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  write_bytes(folder / "out/000000.jpg", {'x'});
  write_bytes(folder / "elsewhere.jpg", {'y'});
  fs::remove(folder / "out/000000.jpg");
  fs::create_symlink("../elsewhere.jpg", folder / "out/000000.jpg");
  auto reader = std::async(std::launch::async, [&] { return nlohmann::json::parse(std::ifstream(pipe)); });
  const auto result = retentive_program({"detect", kScene, "--coco", pipe, "--draw", folder / "out"});
  if (result.exit_code != 0) std::ofstream(pipe) << "null";  // lets the reader end
  const auto results = reader.get();
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(results.size() > 0);
  CHECK(fs::is_fifo(pipe));
  CHECK(fs::is_symlink(folder / "out/000000.jpg"));
  CHECK(datasets::decode_image(folder / "elsewhere.jpg").width > 100);
}

TEST_CASE("make-dataset: --force removes its own files alone", "[outputs]") {
  const TemporaryFolder folder;
  const auto photos = folder / "mine/train/images";
  for (const std::string name : {"000000", "000001", "000002", "000003"}) {
    write_bytes(photos / (name + ".jpg"), read_bytes(kAssets + "scenes/" + name + ".jpg"));
  }
  const auto make = [&](const fs::path& backgrounds, const std::string& out) {
    return retentive_program({"make-dataset", "composites", "--mnist-images", folder / "i", "--mnist-labels",
                              folder / "l", "--backgrounds", backgrounds, "--out", folder / out, "--train", "2",
                              "--val", "0", "--test", "0", "--size", "64", "--force"});
  };
  {
    std::vector<uint8_t> images = {0, 0, 8, 3, 0, 0, 0, 20, 0, 0, 0, 8, 0, 0, 0, 8}, labels = {0, 0, 8, 1, 0, 0, 0, 20};
    for (int i = 0; i < 20; ++i) {
      const auto digit = noise_image(8, 8, 1, static_cast<uint32_t>(i + 1));
      images.insert(images.end(), digit.pixels.begin(), digit.pixels.end());
      labels.push_back(static_cast<uint8_t>(i % 10));
    }
    write_bytes(folder / "i", images);
    write_bytes(folder / "l", labels);
  }
  const auto own = make(photos, "mine");
  CHECK(own.exit_code == 1);
  CHECK_THAT(own.err, Contains("train/images/00000"));
  CHECK(read_bytes(photos / "000000.jpg") == read_bytes(kAssets + "scenes/000000.jpg"));
  CHECK_FALSE(fs::exists(folder / "mine/annotations"));

  auto made = make(photos, "set");
  INFO(made.err);
  REQUIRE(made.exit_code == 0);
  REQUIRE(make(photos, "set").exit_code == 0);  // over itself
  const auto first = read_bytes(folder / "set/train/images/000000.jpg");
  const auto again = make(folder / "set/train/images", "set");
  CHECK(again.exit_code == 1);
  CHECK_THAT(again.err, Contains("same file as") && Contains("which is read"));
  CHECK(read_bytes(folder / "set/train/images/000000.jpg") == first);

  write_bytes(folder / "set/train/images/holiday.jpg", {'x'});
  const auto foreign = make(photos, "set");
  CHECK(foreign.exit_code == 1);
  CHECK_THAT(foreign.err, Contains("holiday.jpg"));
  CHECK(read_bytes(folder / "set/train/images/000000.jpg") == first);
}

TEST_CASE("pages of others are kept", "[outputs]") {
  const TemporaryFolder folder;
  const auto digit = kAssets + "samples/3_a.png";
  const auto visualize = [&] {
    return retentive_program({"visualize", "--out", folder / "site", "--kind", "decay", digit});
  };
  const auto home = bytes_of("<h1>my home page</h1>");
  write_bytes(folder / "site/index.html", home);
  auto result = visualize();
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, Contains("index.html was not written by retentive visualize"));
  CHECK(read_bytes(folder / "site/index.html") == home);
  fs::remove(folder / "site/index.html");
  CHECK(visualize().exit_code == 0);
  CHECK(visualize().exit_code == 0);  // its own is replaced

  const auto measured = retentive_program(
      {"bench", "latency", "--model", "test_rmt", "--size", "32", "--reps", "3", "--warmup", "0", "--json"});
  REQUIRE(measured.exit_code == 0);
  write_bytes(folder / "results.json", bytes_of(measured.out));
  const auto report = [&](const std::string& out) {
    return retentive_program({"bench", "report", folder / "results.json", "--out", folder / out});
  };
  CHECK(report("report").exit_code == 0);
  CHECK(report("report").exit_code == 0);
  for (const char* page : {"report.html", "results.md", "results.csv"}) {
    write_bytes(folder / "report" / page, home);
    result = report("report");
    CHECK(result.exit_code == 1);
    CHECK_THAT(result.err, Contains(std::string(page) + " was not written by retentive bench"));
    CHECK(read_bytes(folder / "report" / page) == home);
    fs::remove(folder / "report" / page);
  }
  fs::create_symlink("../results.json", folder / "report/results.csv");
  result = report("report");
  CHECK(result.exit_code == 1);
  CHECK(read_bytes(folder / "results.json") == bytes_of(measured.out));
}

TEST_CASE("outputs are proven writable, and other files than the inputs, before the work", "[outputs]") {
  const TemporaryFolder folder;
  const auto text = folder / "text.txt";
  write_bytes(text, bytes_of("to be or not to be, to be or not to be"));
  CHECK_THAT(failure({"generate", "--prompt", "a", "-n", "2", "--save-state", folder / "none/s"}),
             Contains("[generate]") && Contains("none/s cannot be written (No such file or directory)"));
  CHECK_THAT(failure({"generate", "--prompt", "a", "-n", "2", "--save-state", folder.path()}),
             Contains("Is a directory"));
  CHECK_THAT(failure({"generate", "--prompt-file", text, "--save-state", text}), Contains("which is read"));
  const std::vector<std::string> train = {"tokenizer", "train", text, "--vocab-size", "260", "--force", "--output"};
  const auto train_to = [&](const fs::path& output) {
    auto arguments = train;
    arguments.push_back(output);
    return failure(arguments);
  };
  CHECK_THAT(train_to(text), Contains("text.txt, which is read"));
  CHECK_THAT(train_to(folder / "none/t.json"), Contains("cannot be written"));
  CHECK_THAT(failure({"eval", "detect", "--images", folder.path(), "--annotations", text, "--results", text}),
             Contains("which is read"));
  CHECK_THAT(failure({"convert", text, folder / "none/out.safetensors"}), Contains("cannot be written"));
  CHECK_THAT(failure({"convert", text, folder / "new", "--labels", folder / "l", "--config", "/dev/null"}),
             !Contains("same file"));
  CHECK(read_bytes(text) == bytes_of("to be or not to be, to be or not to be"));
}

TEST_CASE("tokenizer train: a pipe receives the tokenizer", "[outputs]") {
  const TemporaryFolder folder;
  write_bytes(folder / "text.txt", bytes_of("to be or not to be, to be or not to be"));
  const auto result =
      shell(folder, "mkfifo pipe && cat pipe > copy.json & cd '" + folder.path().string() +
                        "'; until [ -p pipe ]; do :; done; \"$0\" tokenizer train text.txt --vocab-size 260 "
                        "--output pipe; code=$?; wait; exit $code");
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(fs::is_fifo(folder / "pipe"));
  CHECK(nlohmann::json::parse(std::ifstream(folder / "copy.json")).contains("model"));
  const auto shown =
      retentive_program({"tokenizer", "train", folder / "text.txt", "--vocab-size", "260", "--output", "/dev/stdout"});
  REQUIRE(shown.exit_code == 0);
  CHECK_THAT(shown.out, Contains("\"model\"") && Contains("260 tokens from 1 file"));
}

TEST_CASE("results that nobody receives are an error", "[outputs]") {
  const TemporaryFolder folder;
  const auto lost = Contains("[stdout] cannot be written");
  for (const auto& command :
       std::vector<std::string>{"models", "--help", "inspect --help", "classify '" + kAssets + "samples'"}) {
    const auto closed = shell(folder, "\"$0\" " + command + " >&-");
    CHECK(closed.exit_code == 1);
    CHECK_THAT(closed.err, lost);
  }
  // The pipe's only reader is gone before anything is written.
  const auto broken =
      shell(folder, "mkfifo p && { : < p & exec 3> p; wait; \"$0\" classify '" + kAssets + "samples' >&3; }");
  CHECK(broken.exit_code == 1);
  CHECK_THAT(broken.err, lost);
}

TEST_CASE("a full disk is an error of every writer", "[outputs]") {
  const TemporaryFolder folder;
  // Standard error goes through a pipe, as files may not grow here.
  const auto limited = [&](const std::string& arguments) {
    return shell(folder, "(ulimit -f 1; \"$0\" " + arguments + "; echo code $?) 2>&1 | cat").out;
  };
  const auto scene = "'" + kScene + "'";
  CHECK_THAT(limited("detect " + scene + " --draw out"), Contains("File too large") && Contains("code 1"));
  CHECK_THAT(limited("visualize --kind decay --out out " + scene), Contains("File too large") && Contains("code 1"));
  CHECK_THAT(limited("generate --prompt a -n 2 --save-state state"), Contains("File too large") && Contains("code 1"));
  CHECK_THAT(limited("models --explain rmt_t > table"), Contains("[stdout] cannot be written") && Contains("code 1"));
  for (const auto& entry : fs::recursive_directory_iterator(folder.path())) {
    CHECK((entry.is_directory() || entry.path().filename() == "table"));
  }
}

}  // namespace
}  // namespace retentive::testing
