#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#include <torch/torch.h>

#include <retention/base/cpu_isa.h>
#include <retention/base/error.h>
#include <retention/nn/inference.h>
#include <support/tensors.h>
#include <vision/rmt.h>
#include <vision/rmt_fixture_config.h>

using namespace retentive;
using namespace retentive::testing;
using namespace retentive::vision;
using torch::Tensor;

namespace {

Rmt load(const std::string& name, RmtHead head) {
  Rmt model(official_rmt_config(read_fixture_json("rmt/" + name + ".json")["config"], head));
  Fixture("rmt/" + name + ".weights").load_into(*model, "");
  model->eval();
  return model;
}

// fp32: the tolerance of the fixtures. bf16 and int8: independent roundings (2^-9 and 1/254 of the largest in the mean)
// of some forty products in a row add up as the root of their number.
double bound(Precision precision) {
  return precision == Precision::fp32 ? 1e-4 : std::sqrt(40.0) * (precision == Precision::bf16 ? 1 / 256.0 : 1 / 127.0);
}

constexpr Precision kPrecisions[] = {Precision::fp32, Precision::bf16, Precision::int8};

}  // namespace

TEST_CASE("prepared models equal the fixtures", "[rmt][fixture][prepared]") {
  const torch::NoGradGuard no_grad;
  for (const auto precision : kPrecisions) {
    WorstDeviation worst("prepared fixtures " + std::string(enum_name(precision)));
    for (const std::string name : {"tiny_a", "tiny_b", "tiny_buffers"}) {
      auto model = load(name, RmtHead::classifier);
      const auto report = nn::prepare_inference(*model, {.precision = precision});
      CHECK(report.entries.size() > 20);
      const Fixture reference("rmt/" + name);
      const auto description = read_fixture_json("rmt/" + name + ".json");
      for (const auto& item : description["cases"]) {
        const std::string prefix = item["prefix"];
        const auto image = reference.get(prefix + "input");
        const auto stages = model->forward_intermediates(image, {0, 1, 2, 3}, Layout::nhwc);
        for (size_t s = 0; s < 4; ++s) {
          const auto key = prefix + "stage" + std::to_string(s + 1);
          CHECK(worst.add(name + " " + key, deviation(stages[s], reference.get(key))) <= bound(precision));
        }
        CHECK(worst.add(name + " logits", deviation(model->forward(image), reference.get(prefix + "logits"))) <=
              bound(precision));
      }
    }
    CHECK(worst.count() >= 20);
  }
}

TEST_CASE("prepared detection backbone and token-label model equal the fixtures", "[rmt][fixture][prepared]") {
  const torch::NoGradGuard no_grad;
  auto backbone = load("tiny_backbone", RmtHead::none);
  nn::prepare_inference(*backbone);
  const Fixture maps("rmt/tiny_backbone");
  const auto description = read_fixture_json("rmt/tiny_backbone.json");
  for (const auto& item : description["cases"]) {
    const std::string prefix = item["prefix"];
    const auto outputs = backbone->forward_pyramid(maps.get(prefix + "input"));
    for (size_t s = 0; s < 4; ++s) CHECK(deviation(outputs[s], maps.get(prefix + "out" + std::to_string(s))) <= 1e-4);
  }
  auto labelled = load("tiny_token_label", RmtHead::token_label);
  const Fixture reference("rmt/tiny_token_label");
  const auto image = reference.get("in0/input");
  const auto plain = labelled->forward(image);
  nn::prepare_inference(*labelled);
  CHECK(deviation(labelled->forward(image), plain) <= 1e-5);
  CHECK(deviation(labelled->forward_token_label(image).aux_logits, reference.get("in0/aux_logits")) <= 1e-4);
}

TEST_CASE("a prepared model is frozen and says the way out", "[prepared]") {
  auto model = load("tiny_a", RmtHead::classifier);
  const auto image = Fixture("rmt/tiny_a").get("in0/input");
  CHECK_FALSE(nn::is_prepared(*model));
  model->train();
  CHECK_THROWS_AS(nn::prepare_inference(*model), StateError);
  model->eval();
  nn::prepare_inference(*model);
  CHECK(nn::is_prepared(*model));
  CHECK_THROWS_AS(nn::prepare_inference(*model), StateError);
  CHECK_THROWS_AS(model->train(), StateError);
  CHECK_THROWS_AS(model->forward(image.clone().requires_grad_()), StateError);
  CHECK_FALSE(model->forward(image).requires_grad());
}

TEST_CASE("a prepared model serves several threads at once", "[prepared]") {
  for (const auto precision : kPrecisions) {
    auto model = load("tiny_b", RmtHead::classifier);
    nn::prepare_inference(*model, {.precision = precision});
    std::vector<Tensor> images, expected;
    const auto generator = at::detail::createCPUGenerator(3);
    const torch::NoGradGuard no_grad;
    at::set_num_threads(1);
    for (const int64_t side : {33, 47, 64, 64}) {
      images.push_back(torch::randn({1, 3, side, 40}, generator));
      expected.push_back(model->forward(images.back()).clone());
    }
    std::vector<double> worst(images.size(), 0.0);
    {
      std::vector<std::jthread> threads;
      for (size_t i = 0; i < images.size(); ++i) {
        threads.emplace_back([&, i] {
          const torch::NoGradGuard quiet;
          at::set_num_threads(1);
          for (int run = 0; run < 10; ++run) {
            worst[i] = std::max(worst[i], deviation(model->forward(images[i]), expected[i]));
          }
        });
      }
    }
    for (const double value : worst) CHECK(value == 0);
  }
}

TEST_CASE("LibTorch, oneDNN and the kernels share one OpenMP runtime", "[prepared]") {
  auto model = load("tiny_b", RmtHead::classifier);
  nn::prepare_inference(*model);
  const torch::NoGradGuard no_grad;
  model->forward(torch::zeros({1, 3, 64, 64}));
  std::set<std::string> runtimes;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const std::string file = line.substr(line.find_last_of(' ') + 1);
    const std::string name = std::filesystem::path(file).filename().string();
    if (name.starts_with("libgomp") || name.starts_with("libomp") || name.starts_with("libiomp")) runtimes.insert(file);
  }
  CHECK(runtimes.size() == 1);
}

TEST_CASE("GMACs at 224 are those of the specification", "[rmt]") {
  RmtConfig t;
  CHECK(static_cast<double>(Rmt(t)->macs(224, 224)) * 1e-9 == Approx(2.637).margin(0.0006));
  CHECK(static_cast<double>(Rmt(t)->macs(384, 384)) * 1e-9 == Approx(8.91).margin(0.006));
}
