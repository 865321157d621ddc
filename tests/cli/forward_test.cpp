#include <cli/arrays.h>
#include <datasets/files.h>
#include <support/catch.h>
#include <support/close.h>
#include <support/fixture_file.h>
#include <support/paths.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using models::formats::SafetensorsFile;
using Shape = std::vector<int64_t>;

/// Uniform values in [-1, 1), the same for the same seed.
std::vector<float> noise(int64_t count, uint32_t seed) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) {
    value = static_cast<float>(static_cast<int32_t>(seed = seed * 1664525u + 1013904223u)) / 2147483648.0f;
  }
  return values;
}

Array image_array(const Shape& shape) { return {"image", shape, noise(models::formats::numel(shape), 7)}; }

/// Plausible values for every entry of a published state_dict, by the kind of its name.
void write_full_size_weights(const std::filesystem::path& path, const std::string& keys_fixture) {
  const auto description = read_fixture_json(keys_fixture);
  std::vector<Array> arrays;
  std::vector<std::string> counters;
  uint32_t seed = 1;
  for (const auto& key : description.at("keys")) {
    if (key.at(2) != "float32") {
      counters.push_back(key.at(0));
      continue;
    }
    Array array{key.at(0), key.at(1), {}};
    array.values = noise(models::formats::numel(array.shape), ++seed);
    const bool statistic = array.name.ends_with("running_var");
    const bool decay = array.name.ends_with("Relpos.decay");
    for (float& value : array.values) value = statistic ? 1 : decay ? -0.2f + 0.1f * value : 0.05f * value;
    arrays.push_back(std::move(array));
  }
  REQUIRE(arrays.size() + counters.size() == description.at("num_state_dict_keys").get<size_t>());
  write_arrays(path, arrays, counters);
}

TEST_CASE("forward: a fixture's outputs from its weights") {
  const TemporaryFolder folder;
  const auto reference = SafetensorsFile::open(fixture_path("rmt/tiny_a.safetensors"));
  WorstDeviation worst("retentive forward: tiny_a");
  for (const std::string prefix : {"in0/", "in1/", "in2/"}) {
    const auto* input = reference.find(prefix + "input");
    write_arrays(folder / "in.safetensors",
                 {{"image", input->shape, fixture_values<float>(reference, prefix + "input")}});
    const auto result =
        run_forward({"--model", "test_rmt", "--weights", fixture_path("rmt/tiny_a.weights.safetensors")},
                    folder / "in.safetensors", folder / "out.safetensors");
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    const auto out = SafetensorsFile::open(folder / "out.safetensors");
    REQUIRE(out.tensors().size() == 6);
    CHECK(out.find("logits")->shape == reference.find(prefix + "logits")->shape);
    for (const std::string name : {"logits", "pooled"}) {
      const double error = deviation(fixture_values<float>(out, name), fixture_values<float>(reference, prefix + name));
      CHECK(worst.add(prefix + name, error) < 1e-4);
    }
    CHECK(lines_of(result.out).size() == 6);
  }
}

TEST_CASE("forward: full-size RMT-T at 224x224 and 200x300") {
  const TemporaryFolder folder;
  write_full_size_weights(folder / "rmt_t.safetensors", "rmt/rmt_t.keys.json");
  const auto check_shapes = [&](const Shape& image, const std::vector<Shape>& stages) {
    write_arrays(folder / "in.safetensors", {image_array(image)});
    const auto result = run_forward({"--model", "rmt_t", "--weights", (folder / "rmt_t.safetensors").string()},
                                    folder / "in.safetensors", folder / "out.safetensors");
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    const auto out = SafetensorsFile::open(folder / "out.safetensors");
    CHECK(out.find("logits")->shape == Shape{image[0], 1000});
    CHECK(out.find("pooled")->shape == Shape{image[0], 1024});
    for (size_t i = 0; i < 4; ++i) CHECK(out.find("stage" + std::to_string(i + 1))->shape == stages[i]);
    const auto logits = fixture_values<float>(out, "logits");
    CHECK(deviation(logits, logits) == 0);  // infinite when a value is not finite
    CHECK(*std::max_element(logits.begin(), logits.end()) > *std::min_element(logits.begin(), logits.end()));
  };
  check_shapes({1, 3, 224, 224}, {{1, 64, 56, 56}, {1, 128, 28, 28}, {1, 256, 14, 14}, {1, 512, 7, 7}});
  check_shapes({1, 3, 200, 300}, {{1, 64, 50, 75}, {1, 128, 25, 38}, {1, 256, 13, 19}, {1, 512, 7, 10}});
}

TEST_CASE("forward: random weights depend on the seed alone") {
  const TemporaryFolder folder;
  write_arrays(folder / "in.safetensors", {image_array({2, 3, 40, 56})});
  const auto logits = [&](const std::vector<std::string>& flags) {
    const auto result = run_forward(flags, folder / "in.safetensors", folder / "out.safetensors");
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    return fixture_values<float>(SafetensorsFile::open(folder / "out.safetensors"), "logits");
  };
  const auto first = logits({"--model", "test_rmt", "--random-weights", "5"});
  CHECK(logits({"--model", "test_rmt", "--random-weights", "5"}) == first);
  CHECK(deviation(logits({"--model", "test_rmt", "--random-weights", "6"}), first) > 1e-3);
  const auto explained =
      nlohmann::json{{"family", "rmt"},           {"embed_dims", {16, 32, 32, 48}}, {"depths", {1, 2, 2, 1}},
                     {"num_heads", {2, 2, 4, 3}}, {"projection_dim", 96},           {"num_classes", 10}}
          .dump();
  write_bytes(folder / "m.json", {explained.begin(), explained.end()});
  CHECK(logits({"--config", (folder / "m.json").string(), "--random-weights", "5"}) == first);
}

TEST_CASE("forward: the file says what it is when no flag does") {
  const TemporaryFolder folder;
  const auto weights = source_dir() + "/assets/models/rmt_nano_digits.safetensors";
  write_arrays(folder / "in.safetensors", {image_array({3, 1, 28, 28})});
  const auto result = run_forward({"--weights", weights}, folder / "in.safetensors", folder / "out.safetensors");
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(SafetensorsFile::open(folder / "out.safetensors").find("logits")->shape == Shape{3, 10});
  const auto conflict =
      run_forward({"--weights", weights, "--model", "rmt_t"}, folder / "in.safetensors", folder / "out.safetensors");
  CHECK(conflict.exit_code == 1);
  CHECK_THAT(conflict.err, Contains("rmt_t") && Contains("rmt_nano"));
}

TEST_CASE("forward: wrong inputs and outputs are named") {
  const TemporaryFolder folder;
  const auto in = folder / "in.safetensors", out = folder / "out.safetensors";
  const std::vector<std::string> model = {"--model", "test_rmt", "--random-weights", "1"};
  const auto failure = [&](const std::filesystem::path& output) {
    const auto result = run_forward(model, in, output);
    CHECK(result.exit_code == 1);
    CHECK_FALSE(std::filesystem::exists(out));
    return result.err;
  };
  CHECK_THAT(failure(out), Contains(in.string()));
  write_arrays(in, {{"input", {1, 3, 2, 2}, noise(12, 1)}});
  CHECK_THAT(failure(out), Contains(in.string()) && Contains("\"input\"") && Contains("\"image\""));
  write_arrays(in, {{"image", {1, 4, 2, 2}, noise(16, 1)}});
  CHECK_THAT(failure(out), Contains(in.string()) && Contains("[1, 4, 2, 2]") && Contains("[B, 3, H, W]"));
  write_arrays(in, {image_array({1, 3, 8, 8})});
  CHECK_THAT(failure(in), Contains("same file"));
  CHECK(SafetensorsFile::open(in).find("image") != nullptr);
}

TEST_CASE("forward: flags that do not go together are usage errors") {
  const TemporaryFolder folder;
  const auto in = folder / "in.safetensors", out = folder / "out.safetensors";
  write_arrays(in, {image_array({1, 3, 8, 8})});
  CHECK(run_forward({"--model", "test_rmt"}, in, out).exit_code == 2);
  CHECK(run_forward({"--random-weights", "1"}, in, out).exit_code == 2);
  CHECK(run_forward({"--model", "test_rmt", "--config", "m.json", "--random-weights", "1"}, in, out).exit_code == 2);
  CHECK(run_forward({"--model", "test_rmt", "--weights", "w", "--random-weights", "1"}, in, out).exit_code == 2);
  const auto unknown = run_forward({"--modle", "test_rmt"}, in, out);
  CHECK(unknown.exit_code == 2);
  CHECK_THAT(unknown.err, Contains("did you mean --model"));
}

}  // namespace
}  // namespace retentive::testing
