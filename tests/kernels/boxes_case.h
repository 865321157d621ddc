#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace retentive::testing {

/// Boxes in clusters, as a detector's are: some equal, some without area, some outside of the image.
inline std::vector<float> random_boxes(int64_t count, uint64_t seed, float extent = 200, int64_t clusters = 20) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> place(-0.1f * extent, 1.1f * extent), size(0, 0.3f * extent), shift(-8, 8);
  std::vector<float> centres(4 * clusters), boxes;
  for (int64_t i = 0; i < clusters; ++i) {
    const float x = place(random), y = place(random);
    centres[4 * i] = x, centres[4 * i + 1] = y, centres[4 * i + 2] = x + size(random);
    centres[4 * i + 3] = y + size(random);
  }
  for (int64_t i = 0; i < count; ++i) {
    const float* centre = centres.data() + 4 * (random() % clusters);
    float box[4];
    for (int side = 0; side < 4; ++side) box[side] = centre[side] + (i % 7 == 0 ? 0 : shift(random));
    if (i % 11 == 0) box[2] = box[0];
    box[2] = std::max(box[0], box[2]), box[3] = std::max(box[1], box[3]);
    boxes.insert(boxes.end(), box, box + 4);
  }
  return boxes;
}

/// Scores with ties.
inline std::vector<float> random_scores(int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<float> scores(count);
  for (float& score : scores) score = static_cast<float>(random() % 1000) / 999.0f;
  return scores;
}

}  // namespace retentive::testing
