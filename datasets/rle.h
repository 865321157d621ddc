#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::datasets {

using vision::RleMask;

/// A box as COCO's files have it: x and y of the left top corner, width, height, in pixels.
using CocoBox = std::array<double, 4>;

/// The runs of a mask [height, width] whose rows go from top to bottom; any non-zero byte counts as one.
/// Throws InvalidArgument for a negative size or more than 2^32 - 1 pixels, as everything here does.
RETENTIVE_API RleMask rle_encode(const uint8_t* mask, int64_t height, int64_t width);

/// The mask as bytes 0 or 1 [height, width], rows from top to bottom. Throws DataError when the counts do not sum to
/// height * width.
RETENTIVE_API std::vector<uint8_t> rle_decode(const RleMask& mask);

/// COCO's compressed text: from the fourth count on differences to the count two before, in groups of five bits.
RETENTIVE_API std::string rle_to_text(const RleMask& mask);

/// The mask of a compressed text. Throws DataError when the text is damaged or does not describe height * width pixels.
RETENTIVE_API RleMask rle_from_text(std::string_view text, int64_t height, int64_t width);

/// Throws DataError, beginning with [where], unless the counts sum to height * width.
RETENTIVE_API void check_rle(const RleMask& mask, const std::string& where = "rle");

/// Number of ones.
RETENTIVE_API int64_t rle_area(const RleMask& mask);

/// The smallest box around all ones; empty at (0, 0) when there are none. Throws as rle_decode does.
RETENTIVE_API vision::Box rle_box(const RleMask& mask);

/// The union of outlines x0 y0 x1 y1 ..., in pixels, as COCO rasterises them: corners rounded to a grid five times as
/// fine, a column filled between the crossings at its centre. Throws DataError for an outline of less than three
/// points, of an odd number of values, or with a value that is not finite or beyond +-1e6.
RETENTIVE_API RleMask rle_from_polygons(const std::vector<std::vector<double>>& polygons, int64_t height,
                                        int64_t width);

/// The pixels of any of the masks, one or more of the same size. Throws InvalidArgument otherwise.
RETENTIVE_API RleMask rle_union(std::span<const RleMask> masks);

/// Intersection over union of two masks, or over the detection's own area when the truth is a crowd; 0 when they do not
/// meet. Throws InvalidArgument when their sizes differ.
RETENTIVE_API double rle_iou(const RleMask& detection, const RleMask& truth, bool crowd = false);

/// The same of boxes.
RETENTIVE_API double box_iou(const CocoBox& detection, const CocoBox& truth, bool crowd = false);

}  // namespace retentive::datasets
