// Finds objects in an image and draws them into another: detect_objects [--weights FILE] IMAGE DRAWN.png
// Without weights the built-in model runs, which finds handwritten digits.
#include <cstdio>
#include <string>
#include <vector>

#include <datasets/draw.h>
#include <datasets/image_io.h>
#include <datasets/rle.h>
#include <models/pipelines/detector.h>
#include <retention/base/error.h>

namespace {

int run(std::vector<std::string> arguments) {
  namespace datasets = retentive::datasets;
  namespace models = retentive::models;
  std::string weights;
  if (arguments.size() >= 2 && arguments[0] == "--weights") {
    weights = arguments[1];
    arguments.erase(arguments.begin(), arguments.begin() + 2);
  }
  if (arguments.size() != 2) {
    std::fprintf(stderr, "usage: detect_objects [--weights FILE] IMAGE DRAWN.png\n");
    return 2;
  }
  models::DetectorOptions options;
  options.score_threshold = 0.5;
  const auto detector =
      weights.empty() ? models::Detector::from_default(options) : models::Detector::from_file(weights, options);

  const auto image = datasets::decode_image(arguments[0]);
  const auto detections = detector.detect(image);
  for (const auto& [box, label, score, mask] : detections) {
    std::printf("%6.2f %%  %s at (%.0f, %.0f), %.0f x %.0f pixels", 100 * score, detector.labels()[label].c_str(),
                box.x0, box.y0, box.width(), box.height());
    if (mask) std::printf(", %lld of them in its mask", static_cast<long long>(datasets::rle_area(*mask)));
    std::printf("\n");
  }
  datasets::write_image(arguments[1], datasets::draw_detections(image, detections, detector.labels()));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const retentive::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
