// Names what images show: classify_image [--weights FILE] IMAGE...
// Without weights the built-in model runs, which knows handwritten digits.
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <models/pipelines/classifier.h>
#include <retention/base/error.h>

namespace {

int run(std::vector<std::string> arguments) {
  namespace models = retentive::models;
  std::string weights;
  if (arguments.size() >= 2 && arguments[0] == "--weights") {
    weights = arguments[1];
    arguments.erase(arguments.begin(), arguments.begin() + 2);
  }
  const auto classifier = weights.empty() ? models::Classifier::from_default() : models::Classifier::from_file(weights);

  const std::vector<std::filesystem::path> paths(arguments.begin(), arguments.end());
  bool failed = false;
  for (const auto& item : classifier.classify(paths, {.top_k = 3})) {
    if (item.error) {
      std::fprintf(stderr, "%s: %s\n", item.error->type.c_str(), item.error->message.c_str());
      failed = true;
      continue;
    }
    std::printf("%s\n", item.path.c_str());
    for (const auto& [index, label, probability] : item.top) {
      std::printf("  %6.2f %%  %s\n", 100 * probability, label.c_str());
    }
  }
  return failed ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: classify_image [--weights FILE] IMAGE...\n");
    return 2;
  }
  try {
    return run({argv + 1, argv + argc});
  } catch (const retentive::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
