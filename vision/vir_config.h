#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include <retention/base/enum_names.h>
#include <retention/base/export.h>
#include <retention/base/mixer.h>

namespace retentive::vision {

/// What follows the heads of retention: one linear map, or LayerNorm, GELU, then the linear map.
enum class VirEpilogue { linear, norm_gelu_linear };

/// What the classifier reads: the class token, which comes last, or the mean of the patch tokens.
enum class VirPool { token_last, avg };

/// Architecture of a ViR, or of a ViT with `mixer` attention. The defaults are those of ViR-S.
struct VirConfig {
  MixerKind mixer = MixerKind::retention;
  std::array<int64_t, 2> image_size = {224, 224};
  int64_t patch_size = 16;
  int64_t in_channels = 3;
  int64_t dim = 384;
  int64_t depth = 12;
  int64_t num_heads = 6;
  double mlp_ratio = 4;
  int64_t num_classes = 1000;
  std::optional<double> layer_scale_init = std::nullopt;
  double norm_eps = 1e-6;
  DecaySchedule decay = DecaySchedule::log_linspace;
  int64_t decay_dims = 1;
  VirEpilogue epilogue = VirEpilogue::linear;
  VirPool pool = VirPool::token_last;
  bool release_softmax = false;
  double drop_path_rate = 0;

  /// Calls f(name, field, help) for every field; the one list that reading, writing and help use.
  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("mixer", self.mixer, "what mixes tokens: retention, or softmax attention (a ViT)");
    f("image_size", self.image_size, "[height, width] that the position table is made for; other sizes resample it");
    f("patch_size", self.patch_size, "pixels of a patch's side");
    f("in_channels", self.in_channels, "channels of the input image");
    f("dim", self.dim, "width of a token");
    f("depth", self.depth, "number of blocks");
    f("num_heads", self.num_heads, "heads of the mixer");
    f("mlp_ratio", self.mlp_ratio, "feed-forward width as a multiple of dim");
    f("num_classes", self.num_classes, "classes of the classifier; 0 = none");
    f("layer_scale_init", self.layer_scale_init, "initial learned scale of both residual branches; null = no scale");
    f("norm_eps", self.norm_eps, "added to the variance in every norm");
    f("decay", self.decay, "decay rates: 1 - 2^(-5-h), or log-spaced");
    f("decay_dims", self.decay_dims, "1 = decay along the sequence, 2 = over rows and columns of the grid");
    f("epilogue", self.epilogue, "after the heads: a linear map, alone or after LayerNorm and GELU");
    f("pool", self.pool, "what the classifier reads: the class token, or the mean of the patches");
    f("release_softmax", self.release_softmax, "the softmax of the authors' parallel mode; parallel form only");
    f("drop_path_rate", self.drop_path_rate, "largest stochastic-depth rate, reached by the last block");
  }

  int64_t head_dim() const { return dim / num_heads; }
  int64_t mlp_dim() const { return static_cast<int64_t>(static_cast<double>(dim) * mlp_ratio); }

  /// Rows and columns of patches of an image; sides that are no multiple of the patch are padded.
  std::array<int64_t, 2> grid(int64_t height, int64_t width) const {
    return {(height + patch_size - 1) / patch_size, (width + patch_size - 1) / patch_size};
  }
  /// That of the position table.
  std::array<int64_t, 2> grid() const { return grid(image_size[0], image_size[1]); }

  /// Throws ConfigError naming the first field whose value no ViR can have.
  RETENTIVE_API void validate() const;

  bool operator==(const VirConfig&) const = default;
};

}  // namespace retentive::vision

template <>
struct retentive::EnumNames<retentive::vision::VirEpilogue> {
  using E = retentive::vision::VirEpilogue;
  static constexpr std::array<std::pair<E, std::string_view>, 2> table = {
      {{E::linear, "linear"}, {E::norm_gelu_linear, "norm_gelu_linear"}}};
};

template <>
struct retentive::EnumNames<retentive::vision::VirPool> {
  using E = retentive::vision::VirPool;
  static constexpr std::array<std::pair<E, std::string_view>, 2> table = {
      {{E::token_last, "token_last"}, {E::avg, "avg"}}};
};
