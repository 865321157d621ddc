// Prepares a registered model for fast inference, says how each part runs, and times it:
// prepare_backbone [MODEL [fp32|bf16|int8]]
#include <chrono>
#include <cstdio>
#include <string>

#include <models/registry.h>
#include <retention/base/error.h>
#include <retention/nn/inference.h>

namespace {

void run(const std::string& name, const std::string& precision_name) {
  const auto precision = retentive::enum_value<retentive::Precision>(precision_name);
  if (!precision)
    throw retentive::InvalidArgument("precision is " + precision_name + "; fp32, bf16 or int8 is accepted");
  const auto model = retentive::models::build_backbone(retentive::models::find_model(name).config, /*seed=*/0);
  model->eval();
  const auto report = retentive::nn::prepare_inference(*model, {.precision = *precision});
  for (const auto& entry : report.entries) {
    std::printf("%-44s %-22s %s %s\n", entry.path.c_str(), entry.operation.c_str(), entry.implementation.c_str(),
                entry.reason.c_str());
  }
  const c10::InferenceMode inference;
  const auto image = torch::rand({1, 3, 224, 224});
  model->forward(image);
  const auto start = std::chrono::steady_clock::now();
  const auto maps = model->forward_intermediates(image, {1, 2, 3});  // [B, C, h, w] each
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start;
  for (const auto& map : maps) std::printf("map of %ld x %ld x %ld\n", map.size(1), map.size(2), map.size(3));
  std::printf("%.1f ms\n", spent.count());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc > 1 ? argv[1] : "rmt_t", argc > 2 ? argv[2] : "bf16");
  } catch (const retentive::Error& error) {
    std::fprintf(stderr, "%s: %s\n", error.kind(), error.what());
    return 1;
  }
}
