#pragma once

#include <cmath>
#include <filesystem>
#include <string>

#include <datasets/composites.h>
#include <datasets/files.h>
#include <datasets/image_io.h>
#include <support/catch.h>

#include <opencv2/imgcodecs.hpp>

namespace retentive::testing {

/// A disc or ring of one colour on a transparent ground.
inline void write_cutout(const std::filesystem::path& path, int side, double hole, int shade) {
  cv::Mat picture(side, side, CV_8UC4, cv::Scalar(0, 0, 0, 0));
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      const double radius = std::hypot(x - side / 2.0 + 0.5, y - side / 2.0 + 0.5) / (side / 2.0);
      if (radius < 1 && radius >= hole) picture.at<cv::Vec4b>(y, x) = cv::Vec4b(shade, 30, 200, 255);
    }
  }
  std::filesystem::create_directories(path.parent_path());
  REQUIRE(cv::imwrite(path.string(), picture));
}

/// Two classes of six cut-outs each and five photographs.
struct CompositeFolders {
  CompositeFolders() {
    for (int i = 0; i < 6; ++i) {
      write_cutout(root / ("cut/disc/" + std::to_string(i) + ".png"), 20 + i, 0, 40 * i);
      write_cutout(root / ("cut/ring/" + std::to_string(i) + ".png"), 60 + i, 0.5, 40 * i);
    }
    std::filesystem::create_directories(root / "photos");
    for (int i = 0; i < 5; ++i) {
      datasets::write_image(root / ("photos/" + std::to_string(i) + ".png"), noise_image(40 + 30 * i, 90, 3, 7 + i));
    }
  }
  datasets::CompositeInputs inputs() const {
    datasets::CompositeInputs in;
    in.cutouts = root / "cut";
    in.backgrounds = root / "photos";
    return in;
  }
  TemporaryFolder root;
};

inline datasets::CompositeOptions small_options() {
  datasets::CompositeOptions options;
  options.seed = 3;
  options.images = {12, 4, 5};
  options.height = {48, 80};
  options.width = {64, 64};
  options.objects = {2, 7};
  options.scale = {0.15, 0.7};
  options.rotation = 180;
  options.flip = 0.5;
  return options;
}

}  // namespace retentive::testing
