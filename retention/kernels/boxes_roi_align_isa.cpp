#include <type_traits>

#include <retention/kernels/boxes_roi_align.h>
#include <retention/kernels/simd/rows.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

// Vectors of channels that are summed side by side.
constexpr int kWide = 8;

/// Calls fn(offset in the map, weight) for the pixels of bin (row, column).
template <class F>
inline void for_each_pixel(const RoiBins& bins, int64_t row, int64_t column, F&& fn) {
  const RoiTaps &rows = bins.rows, &columns = bins.columns;
  for (int64_t y = rows.begin[row]; y < rows.begin[row + 1]; ++y) {
    for (int64_t x = columns.begin[column]; x < columns.begin[column + 1]; ++x) {
      fn(rows.offset[y] + columns.offset[x], broadcast(rows.weight[y] * columns.weight[x]));
    }
  }
}

/// Calls fn(integral constant V, c, n) for groups of V vectors of the channels [begin, end), n lanes in each.
template <class F>
inline void for_each_vectors(int64_t begin, int64_t end, F&& fn) {
  int64_t c = begin;
  for (; c + kWide * kLanes <= end; c += kWide * kLanes) fn(std::integral_constant<int, kWide>(), c, kLanes);
  for (; c + kLanes <= end; c += kLanes) fn(std::integral_constant<int, 1>(), c, kLanes);
  if (c < end) fn(std::integral_constant<int, 1>(), c, end - c);
}

/// Calls fn(row, column, place of the bin in `out`).
template <class F>
inline void for_each_bin(const RoiBins& bins, F&& fn) {
  for (int64_t row = 0; row < bins.height; ++row) {
    for (int64_t column = 0; column < bins.width; ++column)
      fn(row, column, (row * bins.width + column) * bins.channels);
  }
}

template <class T>
void gather(const RoiBins& bins, const T* map, T* out) {
  for_each_bin(bins, [&](int64_t row, int64_t column, int64_t place) {
    for_each_vectors(0, bins.channels, [&](auto vectors, int64_t c, int64_t n) {
      Floats sums[vectors()];
      for (auto& sum : sums) sum = zero();
      for_each_pixel(bins, row, column, [&](int64_t offset, Floats weight) {
        const T* from = map + offset + c;
        for (int v = 0; v < vectors(); ++v) sums[v] = fmadd(weight, load_part(from + v * kLanes, n), sums[v]);
      });
      for (int v = 0; v < vectors(); ++v) store_part(out + place + c + v * kLanes, sums[v], n);
    });
  });
}

}  // namespace

void roi_bins_f32(const RoiBins& bins, const float* map, float* out) { gather(bins, map, out); }
void roi_bins_bf16(const RoiBins& bins, const bfloat16* map, bfloat16* out) { gather(bins, map, out); }

void roi_bins_backward_f32(const RoiBins& bins, const float* dout, float* dmap, int64_t begin, int64_t end) {
  for_each_bin(bins, [&](int64_t row, int64_t column, int64_t place) {
    for_each_vectors(begin, end, [&](auto vectors, int64_t c, int64_t n) {
      Floats gradients[vectors()];
      for (int v = 0; v < vectors(); ++v) gradients[v] = load_part(dout + place + c + v * kLanes, n);
      for_each_pixel(bins, row, column, [&](int64_t offset, Floats weight) {
        float* to = dmap + offset + c;
        for (int v = 0; v < vectors(); ++v) {
          float* part = to + v * kLanes;
          store_part(part, fmadd(weight, gradients[v], load_part(part, n)), n);
        }
      });
    });
  });
}

}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
