#include <apps/visual_figures.h>

#include <algorithm>
#include <cstdio>

#include <datasets/draw.h>
#include <datasets/heatmap.h>

namespace retentive::apps {
namespace {

using datasets::ColourMap;
using datasets::ColourScale;
using datasets::FloatMap;
using datasets::Tile;
using models::Spot;
using vision::Image;

// Of colours over the picture: weights are to be read, evidence is to be seen in its place.
constexpr double kWeights = 0.7;
constexpr double kEvidence = 0.6;

template <class... Values>
std::string text(const char* format, Values... values) {
  char buffer[256];
  std::snprintf(buffer, sizeof buffer, format, values...);
  return buffer;
}

std::string place_words(const Spot& spot) {
  return text("block %d of stage %d", static_cast<int>(spot.block), static_cast<int>(spot.stage));
}

std::string token_words(const Spot& spot) {
  return text("the framed token (row %d, column %d of a grid of %d x %d, counted from 0)", static_cast<int>(spot.row),
              static_cast<int>(spot.column), static_cast<int>(spot.height), static_cast<int>(spot.width));
}

/// How many pictures stand side by side, and how large they are.
struct Layout {
  int64_t columns;
  int64_t side;
};

Layout layout_for(size_t pictures) {
  if (pictures <= 2 || pictures == 4) return {2, 308};
  if (pictures <= 9) return {3, 252};
  return {4, 196};
}

float largest_of(const FloatMap& map) { return *std::max_element(map.values.begin(), map.values.end()); }

/// The map divided by `largest`; a map of zeros as it is.
FloatMap relative(FloatMap map, float largest) {
  if (largest > 0) std::ranges::for_each(map.values, [largest](float& value) { value /= largest; });
  return map;
}

/// The view enlarged, and how large a token is in it.
struct Canvas {
  Canvas(const Image& view, int64_t side, int64_t stride)
      : picture(datasets::fit_picture(view, side)),
        cell(static_cast<double>(stride) * static_cast<double>(picture.height) / static_cast<double>(view.height)) {}

  FloatMap stretched(const FloatMap& map, bool smooth) const {
    return datasets::stretch_map(map, picture.height, picture.width, cell, smooth);
  }
  Image under(const FloatMap& map, const ColourScale& scale, double opacity, bool smooth) const {
    return datasets::blend(picture, datasets::colour_map(stretched(map, smooth), scale), opacity);
  }

  Image picture;
  double cell;
};

// The factors of decomposed MaSA beside the map that they make.
Image with_factors(const Image& picture, const models::HeadWeights& head, double cell) {
  constexpr int64_t kThickness = 14;
  const auto bar = [cell](const FloatMap& factor, int64_t height, int64_t width) {
    const FloatMap share = relative(factor, largest_of(factor));
    return datasets::colour_map(datasets::stretch_map(share, height, width, cell, false), {});
  };
  return datasets::with_side_bars(picture, bar(head.column, picture.height, kThickness),
                                  bar(head.row, kThickness, picture.width));
}

}  // namespace

Figure decay_figure(const models::DecayMaps& maps, const Image& view) {
  const auto& spot = maps.spot;
  const auto layout = layout_for(maps.heads.size());
  const Canvas canvas(view, layout.side, spot.stride);
  const ColourScale scale;
  std::vector<Tile> tiles;
  std::string numbers;
  for (size_t n = 0; n < maps.heads.size(); ++n) {
    const auto& head = maps.heads[n];
    Image tile = datasets::colour_map(canvas.stretched(head.map, false), scale);
    datasets::frame_cell(tile, spot.row, spot.column, canvas.cell);
    tiles.push_back({std::move(tile), text("head %zu: gamma %.4g", n + 1, head.gamma)});
    numbers += text("%s head %zu: γ\u00a0%.4g, half at %.3g", n == 0 ? "" : ";", n + 1, head.gamma, head.half_distance);
  }
  return {"decay", "Decay",
          "How much weight distance leaves, γ to the power of the distance, seen from " + token_words(spot) +
              " in stage " + std::to_string(spot.stage) + ". Distance: " + maps.distance +
              ". Each head has its own γ, read from the model, and so its own reach:" + numbers + " tokens.",
          datasets::tile_pictures(tiles, layout.columns, scale, "gamma to the distance")};
}

Figure attention_figure(const models::AttentionMaps& maps, const Image& view) {
  const auto& spot = maps.spot;
  const auto layout = layout_for(maps.heads.size());
  const Canvas canvas(view, layout.side, spot.stride);
  const bool decomposed = !maps.heads.empty() && !maps.heads.front().row.values.empty();
  const ColourScale scale{.low = maps.is_signed ? -1.0 : 0.0,
                          .high = 1,
                          .colours = maps.is_signed ? ColourMap::blue_orange : ColourMap::inferno};
  std::vector<Tile> tiles;
  for (size_t n = 0; n < maps.heads.size(); ++n) {
    const auto& head = maps.heads[n];
    Image tile = canvas.under(relative(head.map, head.largest), scale, kWeights, false);
    datasets::frame_cell(tile, spot.row, spot.column, canvas.cell);
    if (decomposed) tile = with_factors(tile, head, canvas.cell);
    tiles.push_back({std::move(tile), text("head %zu: largest %.2g", n + 1, static_cast<double>(head.largest))});
  }
  std::string caption = "The weights with which " + token_words(spot) + " takes up the values of all tokens in " +
                        place_words(spot) +
                        ", computed from this image, with the decay where there is one. Colours are " +
                        "relative to each head's largest weight, named above it.";
  if (decomposed) {
    caption +=
        " Decomposed MaSA: a token attends to its row, then to its column. The bar below is its share of its own row, "
        "the bar on the left its share of its column, each relative to its own largest; the map is what both passes "
        "together take from every token, each "
        "row with weights of its own.";
  }
  if (maps.is_signed) caption += " Weights of retention have signs: orange adds a value, blue subtracts it.";
  const auto unit = maps.is_signed ? "weight / largest magnitude" : "weight / largest";
  return {"attention", maps.is_signed ? "Retention" : "Attention", caption,
          datasets::tile_pictures(tiles, layout.columns, scale, unit)};
}

Figure class_figure(const models::ClassMap& map, const Image& view) {
  const auto layout = layout_for(2);
  const Canvas canvas(view, layout.side, map.spot.stride);
  const float largest = largest_of(map.map);
  const ColourScale scale;
  const std::vector<Tile> tiles = {
      {canvas.picture, "what the network sees"},
      {canvas.under(relative(map.map, largest), scale, kEvidence, true), "evidence for " + map.label}};
  std::string caption =
      "Where the network finds what speaks for “" + map.label +
      text("”, to which it gives %.1f %%", 100 * map.probability) + ": Grad-CAM, the features after " +
      place_words(map.spot) +
      text(" (a map of %d x %d)", static_cast<int>(map.spot.height), static_cast<int>(map.spot.width)) +
      " weighted by the mean gradient of the class's logit, positive part, interpolated.";
  if (largest == 0) caption += " Nothing there speaks for the class.";
  return {"grad-cam", "Evidence for “" + map.label + "”", caption,
          datasets::tile_pictures(tiles, layout.columns, scale, "share of the strongest")};
}

Figure features_figure(const models::FeatureColours& features, const Image& view) {
  const auto layout = layout_for(2);
  const Canvas canvas(view, layout.side, features.spot.stride);
  std::array<FloatMap, 3> stretched;
  for (size_t i = 0; i < 3; ++i) stretched[i] = canvas.stretched(features.components[i], false);
  const std::vector<Tile> tiles = {{canvas.picture, "what the network sees"},
                                   {datasets::colour_components(stretched), "features as colours"}};
  const auto& shares = features.shares;
  return {"features", "Features",
          "Tokens of like colour have like features: the first three principal components of the map after " +
              place_words(features.spot) +
              text(" as red, green and blue. They hold %.0f, %.0f and %.0f %% of the "
                   "variance; signs, and so the colours themselves, are arbitrary.",
                   100 * shares[0], 100 * shares[1], 100 * shares[2]),
          datasets::tile_pictures(tiles, layout.columns)};
}

Figure receptive_field_figure(const models::SpotMap& field, int64_t images) {
  const auto& [spot, map] = field;
  const FloatMap share = relative(map, largest_of(map));
  const ColourScale scale{.low = 1e-3, .high = 1, .logarithmic = true};
  constexpr int64_t kSide = 420;
  Image picture = datasets::fit_picture(datasets::colour_map(share, scale), kSide);
  const double zoom = static_cast<double>(picture.height) / static_cast<double>(map.height);
  datasets::frame_cell(picture, spot.row, spot.column, static_cast<double>(spot.stride) * zoom);
  const auto middle = [&](int64_t index) { return index * spot.stride + spot.stride / 2; };
  const auto radius = [&](double part) {
    return datasets::radius_of_share(share, middle(spot.row), middle(spot.column), part);
  };
  return {"receptive-field", "Effective receptive field",
          "How strongly each pixel moves the features that " + token_words(spot) + " has after " + place_words(spot) +
              ": magnitude of the gradient of their sum, over all channels, mean of " + std::to_string(images) +
              (images == 1 ? " image" : " images") +
              text(", relative to the strongest pixel, on a logarithmic scale that ends at a thousandth. Half of it "
                   "lies within %.3g pixels of "
                   "the token's middle, nine tenths within %.3g.",
                   radius(0.5), radius(0.9)),
          datasets::tile_pictures(std::vector<Tile>{{std::move(picture), ""}}, 1, scale, "|gradient| / largest")};
}

Figure detections_figure(const std::vector<vision::Detection>& detections, const std::vector<std::string>& labels,
                         const Image& image) {
  constexpr int64_t kSide = 640;
  std::string found;
  for (const auto& detection : detections) {
    found += (found.empty() ? ": " : ", ") + labels[static_cast<size_t>(detection.label)] +
             text(" (%.0f %%)", 100 * detection.score);
  }
  const auto count = detections.size();
  return {"detections", "Detections",
          text("%zu %s", count, count == 1 ? "object" : "objects") + found +
              ". Boxes, masks where the model has them, and scores, as retentive detect --draw draws them.",
          datasets::fit_picture(datasets::draw_detections(image, detections, labels), kSide)};
}

}  // namespace retentive::apps
