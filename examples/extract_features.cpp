// Compares images by what a backbone sees in them: extract_features [--weights FILE] IMAGE IMAGE...
// Prints the size of every feature map of the first image, then the cosine similarity of its pooled vector to the
// others'.
#include <cmath>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include <models/pipelines/feature_extractor.h>
#include <retention/base/error.h>

namespace {

namespace models = retentive::models;

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  const auto dot = [](const std::vector<float>& x, const std::vector<float>& y) {
    return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
  };
  return dot(a, b) / std::sqrt(dot(a, a) * dot(b, b));
}

void print_shape(const models::FeatureArray& array) {
  std::printf("  %-8s", array.name.c_str());
  for (const auto size : array.shape) std::printf(" %lld", static_cast<long long>(size));
  std::printf("\n");
}

void run(std::vector<std::string> arguments) {
  models::FeatureExtractorOptions options;
  options.stages = {0, 1, 2, 3};
  std::string weights;
  if (arguments.size() >= 2 && arguments[0] == "--weights") {
    weights = arguments[1];
    arguments.erase(arguments.begin(), arguments.begin() + 2);
  }
  const auto extractor = weights.empty() ? models::FeatureExtractor::from_default(options)
                                         : models::FeatureExtractor::from_file(weights, options);

  models::Features first;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const auto features = extractor.extract(arguments[i]);
    std::printf("%s\n", arguments[i].c_str());
    if (i > 0) {
      std::printf("  similarity to the first image: %.4f\n", cosine(first.pooled.data, features.pooled.data));
      continue;
    }
    first = features;
    for (const auto& map : first.stages) print_shape(map);
    print_shape(first.pooled);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: extract_features [--weights FILE] IMAGE IMAGE...\n");
    return 2;
  }
  try {
    run({argv + 1, argv + argc});
    return 0;
  } catch (const retentive::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
