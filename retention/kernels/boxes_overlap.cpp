#include <algorithm>

#include <retention/base/parallel_for.h>
#include <retention/kernels/boxes.h>
#include <retention/kernels/boxes_reference.h>
#include <retention/kernels/implementation.h>

namespace retentive::retention {
namespace {

#define RETENTIVE_ROW(isa) {Isa::isa, isa::box_overlaps},
constexpr Implementation<decltype(&avx2::box_overlaps)> kOverlaps[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW)};
#undef RETENTIVE_ROW

constexpr int64_t kTile = 512;

/// Up to kTile boxes as columns.
struct Tile {
  void load(const float* boxes, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const float* box = boxes + 4 * i;
      x0[i] = box[0], y0[i] = box[1], x1[i] = box[2], y1[i] = box[3];
      area[i] = box_area(box);
    }
  }
  BoxColumns columns() const { return {x0, y0, x1, y1, area}; }

  float x0[kTile], y0[kTile], x1[kTile], y1[kTile], area[kTile];
};

}  // namespace

float box_area(const float* box) { return std::max(box[2] - box[0], 0.0f) * std::max(box[3] - box[1], 0.0f); }

void pairwise_iou(const float* a, int64_t count_a, const float* b, int64_t count_b, BoxOverlap overlap, float* out,
                  int threads) {
  static const auto run = choose(kOverlaps);
  if (run == nullptr) return pairwise_iou_reference(a, count_a, b, count_b, overlap, out);
  const int64_t tiles = (count_b + kTile - 1) / kTile;
  // A task is one box of a against one tile of b; neighbours share the tile.
  parallel_for(tiles * count_a, threads, [&](int64_t begin, int64_t end, int) {
    Tile tile;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task / count_a * kTile, i = task % count_a;
      const int64_t count = std::min(kTile, count_b - first);
      if (task == begin || i == 0) tile.load(b + 4 * first, count);
      run(a + 4 * i, box_area(a + 4 * i), tile.columns(), count, overlap, out + i * count_b + first);
    }
  });
}

}  // namespace retentive::retention
