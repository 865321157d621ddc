#include <cli/program.h>
#include <datasets/files.h>
#include <datasets/image_io.h>
#include <models/formats/safetensors.h>
#include <support/catch.h>
#include <support/close.h>
#include <support/fixture_file.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using models::formats::DType;
using models::formats::SafetensorsFile;
using models::formats::TensorView;

const std::string kWeights = fixture_path("vir/vir_test.weights.safetensors");

ProcessResult forward_fixture(const TemporaryFolder& folder, const std::vector<std::string>& flags,
                              const std::string& input = "image") {
  const auto reference = SafetensorsFile::open(fixture_path("vir/vir_test.safetensors"));
  const auto* image = reference.find(input);
  const std::vector<TensorView> views = {{"image", DType::f32, image->shape, image->bytes}};
  models::formats::write_safetensors(folder / "in.safetensors", views);
  std::vector<std::string> arguments = {"forward",
                                        "--model",
                                        "test_vir",
                                        "--weights",
                                        kWeights,
                                        "--inputs",
                                        (folder / "in.safetensors").string(),
                                        "--outputs",
                                        (folder / "out.safetensors").string()};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return retentive_program(arguments);
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

}  // namespace
}  // namespace retentive::testing
