#include <string>

#include <models/registry.h>
#include <models/state_dict.h>
#include <retention/base/error.h>
#include <retention/nn/inference.h>
#include <support/tensors.h>

namespace retentive::models {
namespace {

using testing::deviation;

// Weights as training leaves them: no BatchNorm is the identity and no layer scale is tiny.
std::shared_ptr<vision::BackboneImpl> random_model(const ModelRow& row) {
  auto model = build_backbone(row.config, 5);
  const torch::NoGradGuard no_grad;
  const auto generator = at::detail::createCPUGenerator(6);
  for (auto& [name, tensor] : state_dict(*model)) {
    if (name.ends_with("running_mean")) tensor.normal_(0, 0.3, generator);
    if (name.ends_with("running_var")) tensor.uniform_(0.5, 1.5, generator);
    if (name.find("gamma_") != std::string::npos) tensor.uniform_(0.5, 1.0, generator);
  }
  model->eval();
  return model;
}

TEST_CASE("every test row computes the same prepared as plain, in every precision", "[prepared]") {
  const torch::NoGradGuard no_grad;
  for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8}) {
    testing::WorstDeviation worst("prepared test_* rows " + std::string(enum_name(precision)));
    const double bound = precision == Precision::fp32 ? 1e-5 : precision == Precision::bf16 ? 0.03 : 0.06;
    for (const auto& row : model_rows()) {
      if (!row.is_test() || row.kind() != ModelKind::backbone) continue;
      for (const auto& [height, width] : {std::pair<int64_t, int64_t>{64, 64}, {33, 47}, {1, 1}}) {
        auto model = random_model(row);
        const auto generator = at::detail::createCPUGenerator(7);
        const auto image = torch::randn({2, in_channels(row.config), height, width}, generator);
        const auto plain = model->forward_features(image).clone();
        nn::prepare_inference(*model, {.precision = precision});
        const auto where = row.name + " " + std::to_string(height) + "x" + std::to_string(width);
        CHECK(worst.add(where, deviation(model->forward_features(image), plain)) <= bound);
      }
    }
  }
}

TEST_CASE("every language test row computes the same prepared as plain, in every precision", "[prepared]") {
  const torch::NoGradGuard no_grad;
  for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8, Precision::int4}) {
    testing::WorstDeviation worst("prepared language rows " + std::string(enum_name(precision)));
    // int4 weights are off by 7 % of their size; some fifteen products in a row add up as the root of their number.
    const double bound = precision == Precision::fp32   ? 1e-5
                         : precision == Precision::bf16 ? 0.03
                         : precision == Precision::int8 ? 0.06
                                                        : 0.07 * 4;
    for (const auto& row : model_rows()) {
      if (!row.is_test() || row.kind() != ModelKind::language) continue;
      for (const int64_t length : {1, 7, 33}) {
        const auto model = as_language_model(build(row.config, 5), row.name);
        model->eval();
        const auto tokens = torch::randint(0, 97, {2, length}, at::detail::createCPUGenerator(7), at::kLong);
        const auto plain = model->forward(tokens).clone();
        nn::prepare_inference(*model, {.precision = precision});
        const auto where = row.name + " T=" + std::to_string(length);
        CHECK(worst.add(where, deviation(model->forward(tokens), plain)) <= bound);
      }
    }
  }
}

TEST_CASE("a prepared model refuses to be saved") {
  auto model = random_model(find_model("test_rmt"));
  nn::prepare_inference(*model);
  CHECK_THROWS_AS(state_dict(*model), StateError);
}

}  // namespace
}  // namespace retentive::models
