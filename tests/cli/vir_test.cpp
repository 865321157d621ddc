#include <cli/arrays.h>
#include <datasets/files.h>
#include <datasets/image_io.h>
#include <datasets/transforms.h>
#include <support/catch.h>
#include <support/close.h>
#include <support/fixture_file.h>
#include <support/paths.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using models::formats::SafetensorsFile;

const std::string kWeights = fixture_path("vir/vir_test.weights.safetensors");

ProcessResult forward_fixture(const TemporaryFolder& folder, const std::vector<std::string>& flags,
                              const std::string& input = "image") {
  const auto reference = SafetensorsFile::open(fixture_path("vir/vir_test.safetensors"));
  write_arrays(folder / "in.safetensors",
               {{"image", reference.find(input)->shape, fixture_values<float>(reference, input)}});
  std::vector<std::string> arguments = {"--model", "test_vir", "--weights", kWeights};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return run_forward(arguments, folder / "in.safetensors", folder / "out.safetensors");
}

TEST_CASE("forward: a ViR in every form, from the fixture's weights") {
  const TemporaryFolder folder;
  const auto reference = SafetensorsFile::open(fixture_path("vir/vir_test.safetensors"));
  WorstDeviation worst("retentive forward: vir_test");
  const std::vector<std::pair<std::string, std::vector<std::string>>> calls = {
      {"form: parallel (auto), 17 tokens", {}},
      {"form: parallel, 17 tokens", {"--form", "parallel"}},
      {"form: recurrent, 17 tokens", {"--form", "recurrent", "--chunk", "5"}},
      {"form: chunkwise, 17 tokens", {"--form", "chunkwise", "--chunk", "5"}},
      {"form: chunkwise, 17 tokens", {"--form", "chunkwise", "--eager"}}};
  for (const auto& [said, flags] : calls) {
    const auto result = forward_fixture(folder, flags);
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    CHECK_THAT(result.err, Contains(said));
    CHECK(lines_of(result.out).size() == 2);
    const auto out = SafetensorsFile::open(folder / "out.safetensors");
    CHECK(out.find("features")->shape == std::vector<int64_t>{2, 17, 24});
    for (const std::string name : {"features", "logits"}) {
      const auto expected = fixture_values<float>(reference, "f32." + name);
      CHECK(worst.add(name, deviation(fixture_values<float>(out, name), expected)) <= 5e-5);
    }
  }
  CHECK(forward_fixture(folder, {"--normalization", "exact"}).exit_code == 1);
  CHECK(forward_fixture(folder, {"--form", "sideways"}).exit_code == 2);
}

TEST_CASE("forward: images larger than a ViR's position table") {
  const TemporaryFolder folder;
  const auto reference = SafetensorsFile::open(fixture_path("vir/vir_test.safetensors"));
  const auto result = forward_fixture(folder, {"--form", "chunkwise", "--chunk", "7"}, "image2");
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  const auto out = SafetensorsFile::open(folder / "out.safetensors");
  const auto logits = fixture_values<float>(out, "logits");
  CHECK(deviation(logits, fixture_values<double>(reference, "f64.logits2")) <= 5e-5);
}

TEST_CASE("convert, classify and models know the ViR family") {
  const TemporaryFolder folder;
  const auto converted = (folder / "vir.safetensors").string();
  REQUIRE(retentive_program({"convert", kWeights, converted, "--model", "test_vir"}).exit_code == 0);
  datasets::write_image(folder / "a.png", noise_image(80, 70, 3, 1));
  const auto result = retentive_program({"classify", "--json", "--weights", converted, (folder / "a.png").string()});
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(nlohmann::json::parse(result.out).at("top").size() == 5);
  const auto explained = retentive_program({"models", "--explain", "vir_s"});
  CHECK(explained.exit_code == 0);
  CHECK_THAT(explained.out, Contains("22,059,496") && Contains("4,598,882,304") && Contains("parallel here") &&
                                Contains("chunkwise for 4,097 tokens") && Contains("retention"));
  const auto refused = retentive_program({"classify", "--model", "vir_s", (folder / "a.png").string()});
  CHECK(refused.exit_code == 1);
  CHECK_THAT(refused.err, Contains("vir_s"));
}

const std::string kNano = source_dir() + "/assets/models/vir_nano_digits.safetensors";

std::vector<nlohmann::json> records_of(const ProcessResult& result) {
  std::vector<nlohmann::json> records;
  for (const auto& line : lines_of(result.out)) records.push_back(nlohmann::json::parse(line));
  return records;
}

std::vector<double> probabilities_of(const nlohmann::json& record) {
  std::vector<double> values(record.at("top").size());
  for (const auto& entry : record.at("top")) values.at(entry.at("index").get<size_t>()) = entry.at("prob");
  return values;
}

// Of `retentive forward` on the whole picture at native size, in the parallel form.
std::vector<double> whole_probabilities(const TemporaryFolder& folder, const std::filesystem::path& path) {
  vision::Preprocessing preprocessing;
  preprocessing.mean = {0.1307};
  preprocessing.std = {0.3081};
  const auto image = datasets::to_input_channels(datasets::decode_image(path), preprocessing);
  Array input{"image", {1, 1, image.height, image.width}, std::vector<float>(image.pixels.size())};
  datasets::normalise(image, preprocessing, input.values.data());
  write_arrays(folder / "in.safetensors", {input});
  const auto result =
      run_forward({"--weights", kNano, "--form", "parallel"}, folder / "in.safetensors", folder / "out.safetensors");
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  const auto logits = fixture_values<float>(SafetensorsFile::open(folder / "out.safetensors"), "logits");
  std::vector<double> values(logits.begin(), logits.end());
  const double largest = *std::max_element(values.begin(), values.end());
  double sum = 0;
  for (double& value : values) sum += value = std::exp(value - largest);
  for (double& value : values) value /= sum;
  return values;
}

TEST_CASE("classify --stream: what forward gives for the whole picture, in every precision") {
  const TemporaryFolder folder;
  // 3,360 patches in several chunks; colours become luminance; one that must be decoded whole.
  datasets::write_image(folder / "a.ppm", noise_image(222, 239, 3, 1));
  datasets::write_image(folder / "b.png", noise_image(61, 35, 1, 2));
  datasets::write_image(folder / "c.tif", noise_image(150, 127, 3, 3));
  datasets::write_image(folder / "d.jpg", noise_image(57, 80, 3, 4));
  for (const std::string precision : {"fp32", "bf16", "int8"}) {
    WorstDeviation worst("classify --stream " + precision);
    const double bound = precision == "fp32" ? 1e-4 : precision == "bf16" ? 0.03 : 0.06;
    const auto result = retentive_program({"classify", "--stream", "--json", "--model", "vir_nano", "--top-k", "10",
                                           "--precision", precision, folder.path().string()});
    INFO(result.err);
    CHECK(result.exit_code == 0);
    const auto records = records_of(result);
    REQUIRE(records.size() == 4);
    for (const auto& record : records) {
      CHECK(record.size() == 2);
      const std::string path = record.at("path");
      const double error = deviation(probabilities_of(record), whole_probabilities(folder, path));
      CHECK(worst.add(path.substr(path.size() - 5), error) <= bound);
    }
    REQUIRE(lines_of(result.err).size() == 1);
    CHECK_THAT(result.err, Contains("d.jpg") && Contains("decoded whole") && Contains("not read in rows"));
  }
}

TEST_CASE("classify --stream: errors are records, other models are refused") {
  const TemporaryFolder folder;
  datasets::write_image(folder / "a.png", noise_image(90, 70, 3, 1));
  auto bytes = read_bytes(folder / "a.png");
  bytes.resize(bytes.size() / 2);
  write_bytes(folder / "b.png", bytes);
  const auto good = (folder / "a.png").string(), cut = (folder / "b.png").string();
  const auto result = retentive_program({"classify", "--stream", "--json", "--weights", kNano, good, cut, good});
  CHECK(result.exit_code == 3);
  const auto records = records_of(result);
  REQUIRE(records.size() == 3);
  CHECK(records[0] == records[2]);
  CHECK(records[0].at("top").size() == 5);
  CHECK(records[1].at("error").at("type") == "DataError");
  CHECK_THAT(records[1].at("error").at("message").get<std::string>(), Contains(cut));
  CHECK(result.err.empty());
  const auto refused = retentive_program({"classify", "--stream", "--model", "rmt_nano", good});
  CHECK(refused.exit_code == 1);
  CHECK(refused.out.empty());
  CHECK_THAT(refused.err, Contains("rmt_nano") && Contains("bands of rows") && Contains("vir_nano"));
  CHECK(retentive_program({"classify", "--stream", "--batch", "2", "--model", "vir_nano", good}).exit_code == 2);
}

}  // namespace
}  // namespace retentive::testing
