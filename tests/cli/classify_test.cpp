#include <map>

#include <nlohmann/json.hpp>

#include <cli/program.h>
#include <datasets/files.h>
#include <datasets/image_io.h>
#include <support/catch.h>
#include <support/paths.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

const std::string kSamples = source_dir() + "/assets/samples";
const std::string kWeights = source_dir() + "/assets/models/rmt_nano_digits.safetensors";

std::vector<std::string> sample_paths() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(kSamples)) {
    if (entry.path().extension() == ".png") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<nlohmann::json> json_lines(const ProcessResult& result) {
  std::vector<nlohmann::json> records;
  for (const auto& line : lines_of(result.out)) records.push_back(nlohmann::json::parse(line));
  return records;
}

std::vector<std::string> paths_in(const std::vector<nlohmann::json>& records) {
  std::vector<std::string> paths;
  for (const auto& record : records) paths.push_back(record.at("path"));
  return paths;
}

/// The records of a CSV text, fields unquoted.
std::vector<std::vector<std::string>> parse_csv(const std::string& text) {
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> row(1);
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
      row.back() += text[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && c == ',') {
      row.emplace_back();
    } else if (!quoted && c == '\n') {
      rows.push_back(row);
      row.assign(1, "");
    } else {
      row.back() += c;
    }
  }
  return rows;
}

/// A folder of two good images (one in a subfolder), three broken ones and a file that is no image by its name.
void fill_mixed_folder(const TemporaryFolder& folder) {
  datasets::write_image(folder / "a.png", noise_image(28, 28, 1, 1));
  datasets::write_image(folder / "whole.jpg", noise_image(64, 48, 3, 2));
  auto jpeg = read_bytes(folder / "whole.jpg");
  std::filesystem::remove(folder / "whole.jpg");
  jpeg.resize(jpeg.size() / 2);
  write_bytes(folder / "b_truncated.jpg", jpeg);
  write_bytes(folder / "c_text.png", {'h', 'e', 'l', 'l', 'o'});
  write_bytes(folder / "d_empty.jpg", {});
  write_bytes(folder / "notes.txt", {'n', 'o'});
  std::filesystem::create_directories(folder / "z");
  datasets::write_image(folder / "z/e, \"quoted\".png", noise_image(30, 40, 3, 3));
}

TEST_CASE("classify: the shipped model names its samples") {
  const auto result = retentive_program({"classify", "--json", kSamples});
  CHECK(result.exit_code == 0);
  const auto records = json_lines(result);
  REQUIRE(records.size() == 20);
  CHECK(paths_in(records) == sample_paths());
  int right = 0;
  for (const auto& record : records) {
    const auto name = std::filesystem::path(record.at("path").get<std::string>()).filename().string();
    right += record.at("top").at(0).at("label") == name.substr(0, 1);
  }
  INFO("right: " << right);
  CHECK(right >= 19);
}

TEST_CASE("classify: the first line on stderr introduces the built-in model") {
  const auto sample = sample_paths().at(0);
  const auto result = retentive_program({"classify", sample});
  CHECK(result.exit_code == 0);
  REQUIRE(lines_of(result.err).size() == 1);
  CHECK_THAT(result.err, Contains("rmt_nano") && Contains("handwritten digits") &&
                             Contains("retentive convert rmt_t.pth rmt_t.safetensors") &&
                             Contains("classify --weights rmt_t.safetensors"));
  REQUIRE(lines_of(result.out).size() == 1);
  CHECK_THAT(result.out, StartsWith(sample + ": ") && Contains("%"));
  CHECK(std::count(result.out.begin(), result.out.end(), '|') == 4);

  const auto named = retentive_program({"classify", "--model", "rmt_nano", sample});
  CHECK(named.out == result.out);
  CHECK(named.err.empty());
  CHECK(retentive_program({"classify", "--weights", kWeights, sample}).out == result.out);
}

TEST_CASE("classify: records of broken files, the others done, exit code 3") {
  const TemporaryFolder folder;
  fill_mixed_folder(folder);
  for (const std::string batch : {"1", "2", "8"}) {
    const auto result = retentive_program({"classify", "--json", "--batch", batch, folder.path().string()});
    CHECK(result.exit_code == 3);
    const auto records = json_lines(result);
    REQUIRE(records.size() == 5);
    for (size_t i = 0; i < records.size(); ++i) {
      const bool broken = i >= 1 && i <= 3;
      INFO(records[i].dump());
      CHECK(records[i].size() == 2);
      CHECK(records[i].contains("error") == broken);
      CHECK(records[i].contains("top") == !broken);
      if (!broken) continue;
      CHECK(records[i]["error"]["type"] == "DataError");
      CHECK_THAT(records[i]["error"]["message"].get<std::string>(), Contains(records[i]["path"].get<std::string>()));
    }
  }
  const auto text = retentive_program({"classify", folder.path().string()});
  CHECK(text.exit_code == 3);
  CHECK(lines_of(text.out).size() == 2);
  CHECK(lines_of(text.err).size() == 4);
  CHECK_THAT(text.err, Contains("b_truncated.jpg") && Contains("c_text.png") && Contains("d_empty.jpg"));
  const auto named = retentive_program({"classify", "--json", (folder / "notes.txt").string()});
  CHECK(named.exit_code == 3);
  CHECK(json_lines(named).at(0).contains("error"));
}

TEST_CASE("classify: CSV has a header, quoted fields and the values of the JSON records") {
  const TemporaryFolder folder;
  fill_mixed_folder(folder);
  const auto csv = retentive_program({"classify", "--csv", "--top-k", "3", folder.path().string()});
  CHECK(csv.exit_code == 3);
  const auto rows = parse_csv(csv.out);
  REQUIRE(rows.size() == 1 + 3 + 3 + 3);
  CHECK(rows[0] == std::vector<std::string>{"path", "rank", "index", "label", "prob", "error"});
  const auto records = json_lines(retentive_program({"classify", "--json", "--top-k", "3", folder.path().string()}));
  size_t next = 1;
  for (const auto& record : records) {
    if (record.contains("error")) {
      const auto& error = record["error"];
      const std::string text = error["type"].get<std::string>() + ": " + error["message"].get<std::string>();
      CHECK(rows.at(next++) == std::vector<std::string>{record["path"], "", "", "", "", text});
      continue;
    }
    for (size_t rank = 0; rank < 3; ++rank, ++next) {
      const auto& entry = record["top"].at(rank);
      CHECK(rows.at(next) == std::vector<std::string>{record["path"], std::to_string(rank + 1), entry["index"].dump(),
                                                      entry["label"], entry["prob"].dump(), ""});
    }
  }
}

TEST_CASE("classify: patterns, lists and files mix, in the order given") {
  const auto paths = sample_paths();
  const auto result = retentive_program({"classify", "--json", paths[7], kSamples + "/[01]_?.png", "-", paths[0]},
                                        paths[9] + "\r\n\n" + paths[8]);
  CHECK(result.exit_code == 0);
  CHECK(paths_in(json_lines(result)) ==
        std::vector<std::string>{paths[7], paths[0], paths[1], paths[2], paths[3], paths[9], paths[8], paths[0]});
  const auto folders = retentive_program({"classify", "--json", "--batch", "32", "-"}, kSamples + "\n");
  CHECK(paths_in(json_lines(folders)) == paths);
}

TEST_CASE("classify: a name with brackets is a file before it is a pattern") {
  const TemporaryFolder folder;
  datasets::write_image(folder / "scan[1].png", noise_image(28, 28, 1, 1));
  datasets::write_image(folder / "scan1.png", noise_image(28, 28, 1, 2));
  const auto path = (folder / "scan[1].png").string();
  CHECK(paths_in(json_lines(retentive_program({"classify", "--json", path}))) == std::vector<std::string>{path});
}

TEST_CASE("classify: nothing found is an error that names the arguments") {
  const TemporaryFolder folder;
  write_bytes(folder / "notes.txt", {'n', 'o'});
  const auto empty = retentive_program({"classify", folder.path().string()});
  CHECK(empty.exit_code == 1);
  CHECK(empty.out.empty());
  CHECK_THAT(empty.err, Contains(folder.path().string()) && Contains("no images") && Contains(".png"));
  CHECK(retentive_program({"classify", "-"}, "").exit_code == 1);
  const auto pattern = (folder / "*.png").string();
  const auto unmatched = retentive_program({"classify", pattern});
  CHECK(unmatched.exit_code == 1);
  CHECK_THAT(unmatched.err, Contains("nothing matches the pattern " + pattern));
  const auto absent = retentive_program({"classify", (folder / "absent.png").string()});
  CHECK(absent.exit_code == 3);
  CHECK_THAT(absent.err, Contains("absent.png"));
}

TEST_CASE("classify: batches and threads do not change results") {
  const auto single = json_lines(retentive_program({"classify", "--json", "--batch", "1", "--top-k", "10", kSamples}));
  const auto batched = json_lines(
      retentive_program({"classify", "--json", "--batch", "7", "--threads", "2", "--top-k", "10", kSamples}));
  REQUIRE(single.size() == batched.size());
  for (size_t i = 0; i < single.size(); ++i) {
    std::map<int, double> a, b;
    for (const auto& entry : single[i]["top"]) a[entry["index"]] = entry["prob"];
    for (const auto& entry : batched[i]["top"]) b[entry["index"]] = entry["prob"];
    REQUIRE(a.size() == 10);
    double sum = 0;
    for (const auto& [index, prob] : a) {
      CHECK(std::abs(prob - b.at(index)) < 1e-5);
      sum += prob;
    }
    CHECK(sum == Approx(1).epsilon(1e-9));
  }
}

TEST_CASE("classify: top-k, labels and the pixel limit") {
  const TemporaryFolder folder;
  const auto sample = sample_paths().at(0);
  const auto all = retentive_program({"classify", "--json", "--top-k", "99", sample});
  CHECK(json_lines(all).at(0).at("top").size() == 10);
  std::string names;
  for (int i = 0; i < 10; ++i) names += "digit " + std::to_string(i) + "\n";
  write_bytes(folder / "labels.txt", {names.begin(), names.end()});
  const auto labelled = retentive_program({"classify", "--json", "--labels", (folder / "labels.txt").string(), sample});
  const auto best = json_lines(labelled).at(0).at("top").at(0);
  CHECK(best.at("label") == "digit " + std::to_string(best.at("index").get<int>()));
  write_bytes(folder / "few.txt", {'a', '\n', 'b', '\n'});
  const auto few = retentive_program({"classify", "--labels", (folder / "few.txt").string(), sample});
  CHECK(few.exit_code == 1);
  CHECK_THAT(few.err, Contains("2 labels") && Contains("10 classes"));
  const auto limited = retentive_program({"classify", "--json", "--max-megapixels", "0.0007", sample});
  CHECK(limited.exit_code == 3);
  CHECK_THAT(limited.out, Contains("28x28"));
}

TEST_CASE("classify: models without weights and contradictions are refused") {
  const auto sample = sample_paths().at(0);
  const auto bare = retentive_program({"classify", "--model", "rmt_t", sample});
  CHECK(bare.exit_code == 1);
  CHECK_THAT(bare.err, Contains("rmt_t") && Contains("retentive convert") && Contains("--weights"));
  const auto unknown = retentive_program({"classify", "--model", "rmt_nan", sample});
  CHECK(unknown.exit_code == 1);
  CHECK_THAT(unknown.err, Contains("did you mean \"rmt_nano\""));
  const auto conflict = retentive_program({"classify", "--model", "rmt_t", "--weights", kWeights, sample});
  CHECK(conflict.exit_code == 1);
  CHECK_THAT(conflict.err, Contains("rmt_t") && Contains("rmt_nano"));
  const auto precision = retentive_program({"classify", "--precision", "int4", sample});
  CHECK(precision.exit_code == 1);
  CHECK_THAT(precision.err, Contains("int4") && Contains("fp32"));
  const auto absent = retentive_program({"classify", "--weights", "/nonexistent/w.safetensors", sample});
  CHECK(absent.exit_code == 1);
  CHECK_THAT(absent.err, Contains("/nonexistent/w.safetensors"));
}

TEST_CASE("classify: wrong flags are usage errors") {
  const auto sample = sample_paths().at(0);
  const auto unknown = retentive_program({"classify", "--tpo-k", "3", sample});
  CHECK(unknown.exit_code == 2);
  CHECK_THAT(unknown.err, Contains("--tpo-k") && Contains("did you mean --top-k"));
  CHECK(retentive_program({"classify"}).exit_code == 2);
  CHECK(retentive_program({"classify", "--json", "--csv", sample}).exit_code == 2);
  CHECK(retentive_program({"classify", "--top-k", "0", sample}).exit_code == 2);
  CHECK(retentive_program({"classify", "--batch", "x", sample}).exit_code == 2);
  const auto precision = retentive_program({"classify", "--precision", "fp64", sample});
  CHECK(precision.exit_code == 2);
  CHECK_THAT(precision.err, Contains("fp64") && Contains("fp32"));
}

}  // namespace
}  // namespace retentive::testing
