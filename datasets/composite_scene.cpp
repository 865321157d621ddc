#include <algorithm>
#include <cmath>

#include <datasets/detail/composite_scene.h>
#include <datasets/resize.h>
#include <datasets/rle.h>

namespace retentive::datasets::detail {

namespace {

constexpr int kAttempts = 60;
constexpr float kBusy = 0.16f;  // deviation of luminance from which a stroke is outlined in any case

uint8_t to_byte(float value) { return static_cast<uint8_t>(std::clamp(value, 0.0f, 1.0f) * 255 + 0.5f); }

int64_t draw_between(const std::array<int64_t, 2>& range, Rng& rng) {
  return range[0] + uniform_below(rng, range[1] - range[0] + 1);
}

Colour from_hsv(double hue, double saturation, double value) {
  Colour colour;
  for (int c = 0; c < 3; ++c) {
    const double place = std::fmod(hue * 6 + std::array<double, 3>{5, 3, 1}[c], 6.0);
    colour[c] = static_cast<float>(value * (1 - saturation * std::clamp(std::min(place, 4 - place), 0.0, 1.0)));
  }
  return colour;
}

/// Mostly vivid colours, one in four a near-white, near-black or grey.
Colour draw_colour(Rng& rng) {
  if (uniform(rng) < 0.25) return from_hsv(uniform(rng), uniform(rng, 0, 0.08), uniform(rng) < 0.6 ? 0.97 : 0.08);
  const double hue = uniform(rng), saturation = uniform(rng, 0.55, 1);
  return from_hsv(hue, saturation, uniform(rng, 0.45, 1));
}

float difference(const Colour& a, const Colour& b) {
  const float colours = std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
  return std::abs(luminance(a) - luminance(b)) + 0.35f * colours;
}

/// Near-white or near-black, whichever stands out more.
Colour opposite(const Colour& colour) {
  return luminance(colour) < 0.5f ? Colour{0.97f, 0.97f, 0.97f} : Colour{0.05f, 0.05f, 0.05f};
}

void mirror_columns(Image& image) {
  for (int64_t y = 0; y < image.height; ++y) {
    uint8_t* row = image.pixels.data() + y * image.width * 3;
    for (int64_t left = 0, right = image.width - 1; left < right; ++left, --right) {
      std::swap_ranges(row + left * 3, row + left * 3 + 3, row + right * 3);
    }
  }
}

/// The first place of something `size` long within `space`, of which up to `beyond` may stick out at either end.
int64_t draw_place(int64_t size, int64_t space, double beyond, Rng& rng) {
  const auto out = static_cast<int64_t>(beyond * static_cast<double>(size));
  const int64_t first = -out, last = space - size + out;
  if (last < first) return (space - size) / 2;
  return first + uniform_below(rng, last - first + 1);
}

}  // namespace

CompositeScene::CompositeScene(const CompositeSources& sources, const CompositeOptions& options, int split, Rng& rng)
    : sources_(sources), options_(options), split_(split), rng_(rng), canvas_(background()) {
  owner_.assign(canvas_.height * canvas_.width, 0);
}

Image CompositeScene::background() {
  const int64_t height = draw_between(options_.height, rng_), width = draw_between(options_.width, rng_);
  const auto& photos = sources_.photos(split_);
  const auto photo = sources_.photo(photos[uniform_below(rng_, std::ssize(photos))]);
  const double fit = std::min(static_cast<double>(photo->height) / static_cast<double>(height),
                              static_cast<double>(photo->width) / static_cast<double>(width)) *
                     uniform(rng_, options_.background_crop, 1);
  const auto side = [fit](int64_t out, int64_t most) {
    return std::clamp<int64_t>(std::llround(static_cast<double>(out) * fit), 1, most);
  };
  Window window{0, 0, side(height, photo->height), side(width, photo->width)};
  window.top = uniform_below(rng_, photo->height - window.height + 1);
  window.left = uniform_below(rng_, photo->width - window.width + 1);
  Image picture = resize(crop(*photo, window), height, width, vision::Interpolation::bicubic);
  if (uniform(rng_) < options_.background_flip) mirror_columns(picture);
  const ColourJitter jitter = ColourJitter::draw(options_.background_jitter, rng_);
  for (size_t i = 0; i < picture.pixels.size(); i += 3) {
    uint8_t* value = picture.pixels.data() + i;
    const Colour colour = jitter.apply({value[0] / 255.0f, value[1] / 255.0f, value[2] / 255.0f});
    for (int c = 0; c < 3; ++c) value[c] = to_byte(colour[c]);
  }
  return picture;
}

bool CompositeScene::add_object() {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (place_once()) return true;
  }
  return false;
}

bool CompositeScene::place_once() {
  const int64_t label = uniform_below(rng_, std::ssize(sources_.class_names()));
  const auto& objects = sources_.objects(split_, label);
  const auto cutout = sources_.cutout(objects[uniform_below(rng_, std::ssize(objects))]);
  StampShape shape;
  const double scale = std::exp(uniform(rng_, std::log(options_.scale[0]), std::log(options_.scale[1])));
  shape.longer = std::max(2.0, scale * static_cast<double>(std::min(canvas_.height, canvas_.width)));
  shape.degrees = uniform(rng_, -options_.rotation, options_.rotation);
  shape.mirrored = uniform(rng_) < options_.flip;
  shape.weight = uniform(rng_, -0.1, 0.15);
  shape.margin = cutout->stroke() ? static_cast<int64_t>(shape.longer * kWidestOutline) + 2 : 1;
  Stamp stamp = make_stamp(*cutout, shape);
  const Window solid = solid_window(stamp);
  if (solid.height == 0) return false;
  const int64_t top = draw_place(solid.height, canvas_.height, options_.truncation, rng_) - solid.top;
  const int64_t left = draw_place(solid.width, canvas_.width, options_.truncation, rng_) - solid.left;
  if (cutout->stroke()) {
    colour_stroke(stamp, top, left, shape.longer);
  } else {
    jitter_stamp(stamp, ColourJitter::draw(options_.jitter, rng_));
  }
  feather(stamp, options_.feather);
  if (!accept(stamp, label, top, left)) return false;
  blend(stamp, top, left);
  return true;
}

void CompositeScene::colour_stroke(Stamp& stamp, int64_t top, int64_t left, double longer) {
  Colour mean = {0, 0, 0};
  float sum = 0, squares = 0, count = 0;
  for (int64_t y = std::max<int64_t>(0, top); y < std::min(canvas_.height, top + stamp.height); ++y) {
    for (int64_t x = std::max<int64_t>(0, left); x < std::min(canvas_.width, left + stamp.width); ++x, ++count) {
      const Colour colour = pixel(y, x);
      for (int c = 0; c < 3; ++c) mean[c] += colour[c];
      sum += luminance(colour), squares += luminance(colour) * luminance(colour);
    }
  }
  if (count == 0) return;
  for (float& value : mean) value /= count;
  const float deviation = std::sqrt(std::max(0.0f, squares / count - sum / count * (sum / count)));
  Colour fill = draw_colour(rng_);
  for (int i = 0; i < 20 && difference(fill, mean) < options_.contrast; ++i) fill = draw_colour(rng_);
  if (difference(fill, mean) < options_.contrast) fill = opposite(mean);
  const double width = std::max(1.0, longer * uniform(rng_, 0.02, kWidestOutline));
  const bool outlined = uniform(rng_) < options_.outline || deviation > kBusy || covers_object(stamp, top, left);
  paint_stroke(stamp, fill, opposite(fill), outlined ? width : 0);
}

bool CompositeScene::covers_object(const Stamp& stamp, int64_t top, int64_t left) const {
  for (int64_t y = std::max<int64_t>(0, -top); y < std::min(stamp.height, canvas_.height - top); ++y) {
    for (int64_t x = std::max<int64_t>(0, -left); x < std::min(stamp.width, canvas_.width - left); ++x) {
      if (stamp.solid(y, x) && owner_[(top + y) * canvas_.width + left + x] != 0) return true;
    }
  }
  return false;
}

bool CompositeScene::accept(const Stamp& stamp, int64_t label, int64_t top, int64_t left) {
  std::vector<int32_t> owner = owner_;
  Placed object{label, 0};
  int64_t inside = 0;
  for (int64_t y = 0; y < stamp.height; ++y) {
    for (int64_t x = 0; x < stamp.width; ++x) {
      if (!stamp.solid(y, x)) continue;
      ++object.solid;
      const int64_t row = top + y, column = left + x;
      if (row < 0 || row >= canvas_.height || column < 0 || column >= canvas_.width) continue;
      owner[row * canvas_.width + column] = static_cast<int32_t>(placed_.size()) + 1;
      ++inside;
    }
  }
  const auto share = [](int64_t part, int64_t whole) { return static_cast<double>(part) / static_cast<double>(whole); };
  if (inside == 0 || share(inside, object.solid) < 1 - options_.truncation) return false;
  std::vector<Placed> placed = placed_;
  placed.push_back(object);
  const std::vector<Visible> seen = visible(owner, placed.size());
  for (size_t i = 0; i < placed.size(); ++i) {
    if (seen[i].pixels == 0 || share(seen[i].pixels, placed[i].solid) < options_.min_visible) return false;
    for (size_t j = 0; j < i; ++j) {
      const auto box = [&](const Visible& v) {
        return CocoBox{static_cast<double>(v.x0), static_cast<double>(v.y0), static_cast<double>(v.x1 - v.x0),
                       static_cast<double>(v.y1 - v.y0)};
      };
      if (box_iou(box(seen[i]), box(seen[j])) > options_.max_overlap) return false;
    }
  }
  owner_ = std::move(owner);
  placed_ = std::move(placed);
  return true;
}

std::vector<CompositeScene::Visible> CompositeScene::visible(const std::vector<int32_t>& owner, size_t count) const {
  std::vector<Visible> seen(count, {0, canvas_.width, canvas_.height, 0, 0});
  for (int64_t y = 0; y < canvas_.height; ++y) {
    for (int64_t x = 0; x < canvas_.width; ++x) {
      const int32_t object = owner[y * canvas_.width + x];
      if (object == 0) continue;
      Visible& v = seen[object - 1];
      ++v.pixels;
      v.x0 = std::min(v.x0, x), v.x1 = std::max(v.x1, x + 1);
      v.y0 = std::min(v.y0, y), v.y1 = std::max(v.y1, y + 1);
    }
  }
  return seen;
}

Colour CompositeScene::pixel(int64_t y, int64_t x) const {
  const uint8_t* value = canvas_.pixels.data() + (y * canvas_.width + x) * 3;
  return {value[0] / 255.0f, value[1] / 255.0f, value[2] / 255.0f};
}

void CompositeScene::blend(const Stamp& stamp, int64_t top, int64_t left) {
  for (int64_t y = std::max<int64_t>(0, -top); y < std::min(stamp.height, canvas_.height - top); ++y) {
    for (int64_t x = std::max<int64_t>(0, -left); x < std::min(stamp.width, canvas_.width - left); ++x) {
      const Colour below = pixel(top + y, left + x);
      const Colour& colour = stamp.colour[y * stamp.width + x];
      uint8_t* out = canvas_.pixels.data() + ((top + y) * canvas_.width + left + x) * 3;
      for (int c = 0; c < 3; ++c) out[c] = to_byte(colour[c] + below[c] * (1 - stamp.alpha[y * stamp.width + x]));
    }
  }
}

DetectionSample CompositeScene::take() {
  DetectionSample sample;
  const std::vector<Visible> seen = visible(owner_, placed_.size());
  for (size_t i = 0; i < placed_.size(); ++i) {
    std::vector<uint8_t> mask(owner_.size());
    for (size_t p = 0; p < mask.size(); ++p) mask[p] = owner_[p] == static_cast<int32_t>(i) + 1;
    ObjectAnnotation object;
    object.label = placed_[i].label;
    object.rle = rle_encode(mask.data(), canvas_.height, canvas_.width);
    object.area = static_cast<double>(seen[i].pixels);
    object.box = {static_cast<float>(seen[i].x0), static_cast<float>(seen[i].y0), static_cast<float>(seen[i].x1),
                  static_cast<float>(seen[i].y1)};
    sample.objects.push_back(std::move(object));
  }
  sample.image = std::move(canvas_);
  return sample;
}

}  // namespace retentive::datasets::detail
