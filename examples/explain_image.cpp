// Draws where a classifier finds evidence for what it sees: explain_image [--weights FILE] IMAGE DRAWN.png
// Without weights the built-in model runs, which recognises handwritten digits.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <datasets/heatmap.h>
#include <datasets/image_io.h>
#include <models/pipelines/visualizer.h>
#include <retention/base/error.h>

namespace {

int run(std::vector<std::string> arguments) {
  namespace datasets = retentive::datasets;
  using retentive::models::Visualizer;
  std::string weights;
  if (arguments.size() >= 2 && arguments[0] == "--weights") {
    weights = arguments[1];
    arguments.erase(arguments.begin(), arguments.begin() + 2);
  }
  if (arguments.size() != 2) {
    std::fprintf(stderr, "usage: explain_image [--weights FILE] IMAGE DRAWN.png\n");
    return 2;
  }
  const auto model = weights.empty() ? Visualizer::from_name("rmt_nano") : Visualizer::from_file(weights);

  const auto image = model.decode(arguments[0]);
  const auto evidence = model.grad_cam(image);
  std::printf("%s, %.1f %%\n", evidence.label.c_str(), 100 * evidence.probability);

  const auto view = model.view(image);
  const auto picture = datasets::fit_picture(view, 448);
  const double cell = static_cast<double>(evidence.spot.stride * picture.height) / static_cast<double>(view.height);
  const auto map = datasets::stretch_map(evidence.map, picture.height, picture.width, cell, /*smooth=*/true);
  const double largest = *std::max_element(map.values.begin(), map.values.end());
  const auto colours = datasets::colour_map(map, {.low = 0, .high = std::max(largest, 1e-12)});
  datasets::write_image(arguments[1], datasets::blend(picture, colours, 0.6));
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
