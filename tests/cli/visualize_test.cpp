#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include <nlohmann/json.hpp>

#include <cli/program.h>
#include <datasets/files.h>
#include <datasets/image_io.h>
#include <support/catch.h>
#include <support/paths.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;

const std::string kAssets = source_dir() + "/assets/";
const std::string kDigit = kAssets + "samples/3_a.png";

ProcessResult visualize(const TemporaryFolder& folder, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"visualize", "--out", (folder / "out").string()});
  return retentive_program(arguments);
}

std::set<std::string> files_in(const std::filesystem::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.insert(entry.path().filename());
  return names;
}

std::string page_of(const TemporaryFolder& folder) {
  std::ifstream file(folder / "out/index.html");
  return {std::istreambuf_iterator<char>(file), {}};
}

int64_t count_of(const std::string& text, const std::string& part) {
  int64_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_CASE("visualize: every kind that the built-in classifier has, on one page") {
  const TemporaryFolder folder;
  const auto result = visualize(folder, {kDigit, kAssets + "samples/7_a.png"});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  const std::set<std::string> expected = {
      "3_a_attention.png", "3_a_decay.png",    "3_a_features.png", "3_a_grad-cam.png", "7_a_attention.png",
      "7_a_decay.png",     "7_a_features.png", "7_a_grad-cam.png", "index.html",       "receptive-field.png"};
  CHECK(files_in(folder / "out") == expected);
  CHECK(lines_of(result.out).size() == 2);
  CHECK_THAT(result.out, Contains("3_a_decay.png"));
  const auto decay = datasets::decode_image(folder / "out/3_a_decay.png");
  CHECK((decay.width > 600 && decay.height > 600));
  const auto page = page_of(folder);
  CHECK(count_of(page, "src=\"data:image/png;base64,") == 9);
  CHECK(count_of(page, "src=\"http") == 0);
  CHECK_THAT(page, Contains("0.75, half at 2.41") && Contains("Evidence for “3”") && Contains("mean of 2 images"));
}

TEST_CASE("visualize: a ViR, its kinds chosen, as records") {
  const TemporaryFolder folder;
  const auto result = visualize(
      folder, {"--model", "vir_nano", "--kind", "attention,decay", "--block", "3", "--token", "6,6", "--json", kDigit});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(files_in(folder / "out") == std::set<std::string>{"3_a_attention.png", "3_a_decay.png", "index.html"});
  const auto record = nlohmann::json::parse(result.out);
  CHECK(record.at("path") == kDigit);
  CHECK(record.at("pictures").size() == 2);
  CHECK_THAT(page_of(folder), Contains("block 3 of stage 1") && Contains("row 6, column 6") && Contains("subtracts"));
}

TEST_CASE("visualize: a detector, and pictures of one name") {
  const TemporaryFolder folder;
  const auto copy = folder / "more/000000.jpg";
  write_bytes(copy, read_bytes(kAssets + "scenes/000000.jpg"));
  const auto result = visualize(folder, {"--model", "mask_rcnn_rmt_nano", "--kind", "detections,features",
                                         kAssets + "scenes/000000.jpg", copy.string()});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(files_in(folder / "out") == std::set<std::string>{"000000_detections.png", "000000_features.png",
                                                          "000000-2_detections.png", "000000-2_features.png",
                                                          "index.html"});
  CHECK_THAT(page_of(folder), Contains("Detections") && Contains(" %"));
}

TEST_CASE("visualize: broken pictures are records, the others are done, exit code 3") {
  const TemporaryFolder folder;
  write_bytes(folder / "broken.png", {'t', 'e', 'x', 't'});
  const auto broken = (folder / "broken.png").string();
  const auto result = visualize(folder, {"--kind", "decay", "--json", broken, kDigit});
  CHECK(result.exit_code == 3);
  const auto lines = lines_of(result.out);
  REQUIRE(lines.size() == 2);
  const auto record = nlohmann::json::parse(lines[0]);
  CHECK(record.size() == 2);
  CHECK(record.at("error").at("type") == "DataError");
  CHECK(nlohmann::json::parse(lines[1]).contains("pictures"));
  CHECK_THAT(page_of(folder), Contains("broken.png"));
  const auto text = visualize(folder, {"--kind", "decay", broken});
  CHECK(text.exit_code == 3);
  CHECK_THAT(text.err, Contains("broken.png"));
}

TEST_CASE("visualize: what cannot be shown is refused with the way out") {
  const TemporaryFolder folder;
  const auto refused = [&](std::vector<std::string> arguments, int code) {
    arguments.push_back(kDigit);
    const auto result = visualize(folder, arguments);
    CHECK(result.exit_code == code);
    CHECK(result.out.empty());
    CHECK_FALSE(std::filesystem::exists(folder / "out/index.html"));
    return result.err;
  };
  CHECK_THAT(refused({"--token", "7,0"}, 1), Contains("7 rows and 7 columns"));
  CHECK_THAT(refused({"--token", "7"}, 2), Contains("ROW,COL"));
  CHECK_THAT(refused({"--stage", "5"}, 1), Contains("1 to 4"));
  CHECK_THAT(refused({"--class", "ten"}, 1), Contains("\"ten\"") && Contains("0 to 9"));
  CHECK_THAT(refused({"--kind", "decays"}, 2), Contains("receptive-field"));
  CHECK_THAT(refused({"--model", "retnet_nano"}, 1), Contains("language model"));
  CHECK_THAT(refused({"--model", "mask_rcnn_rmt_nano", "--kind", "grad-cam"}, 1), Contains("is a detector"));
  CHECK_THAT(refused({"--kind", "detections"}, 1), Contains("is no detector"));
  CHECK(retentive_program({"visualize", kDigit}).exit_code == 2);  // no --out
}

}  // namespace
}  // namespace retentive::testing
