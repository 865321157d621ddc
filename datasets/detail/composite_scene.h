#pragma once

#include <array>
#include <vector>

#include <datasets/detail/composite_sources.h>
#include <datasets/detail/composite_stamp.h>
#include <datasets/detection_dataset.h>
#include <datasets/random.h>

namespace retentive::datasets::detail {

/// Builds one image: a part of a photograph, then objects on top of it, one after the other.
class CompositeScene {
 public:
  CompositeScene(const CompositeSources& sources, const CompositeOptions& options, int split, Rng& rng);

  /// Draws an object and its place anew until the rules of visibility and overlap hold; false when they never do.
  bool add_object();

  /// The picture with the objects that can be seen, in the order in which they were put there.
  DetectionSample take();

 private:
  struct Placed {
    int64_t label = 0;
    int64_t solid = 0;  ///< pixels of the whole object, hidden ones included
  };
  struct Visible {
    int64_t pixels = 0;
    int64_t x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  };

  Image background();
  bool place_once();
  Stamp draw_stamp(const Cutout& cutout);
  void colour_stroke(Stamp& stamp, int64_t top, int64_t left, double longer);
  bool covers_object(const Stamp& stamp, int64_t top, int64_t left) const;
  bool accept(const Stamp& stamp, int64_t label, int64_t top, int64_t left);
  void blend(const Stamp& stamp, int64_t top, int64_t left);
  std::vector<Visible> visible(const std::vector<int32_t>& owner, size_t count) const;
  Colour pixel(int64_t y, int64_t x) const;

  const CompositeSources& sources_;
  const CompositeOptions& options_;
  int split_;
  Rng& rng_;
  Image canvas_;
  std::vector<int32_t> owner_;  // [height, width], index of the topmost object + 1, 0 = none
  std::vector<Placed> placed_;
};

}  // namespace retentive::datasets::detail
