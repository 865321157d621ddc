#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <retention/base/decay_mode.h>
#include <retention/base/enum_names.h>
#include <retention/base/export.h>

namespace retentive::vision {

/// What stands on top of the four stages: the classifier; the classifier plus the token-label auxiliary head; or
/// nothing, with one extra LayerNorm per stage (detection and segmentation backbones).
enum class RmtHead { classifier, token_label, none };

/// What mixes the tokens of every block: Manhattan self-attention, or causal retention over the tokens row by row.
enum class RmtMixer { masa, retention };

/// Architecture of one RMT. Vectors have one entry per stage (four); defaults are RMT-T.
struct RmtConfig {
  std::vector<int64_t> embed_dims = {64, 128, 256, 512};
  std::vector<int64_t> depths = {2, 2, 8, 2};
  std::vector<int64_t> num_heads = {4, 4, 8, 16};
  std::vector<double> decay_init = {2, 2, 2, 2};
  std::vector<double> decay_range = {4, 4, 6, 6};
  std::vector<double> mlp_ratios = {3, 3, 3, 3};
  RmtMixer mixer = RmtMixer::masa;
  std::vector<bool> decomposed = {true, true, false, false};
  std::vector<bool> layer_scale = {false, false, false, false};
  double layer_scale_init = 1e-6;
  RmtHead head = RmtHead::classifier;
  int64_t projection_dim = 1024;
  int64_t num_classes = 1000;
  std::vector<int64_t> out_indices = {0, 1, 2, 3};
  double drop_path_rate = 0.1;
  int64_t in_channels = 3;
  DecayMode decay_mode = DecayMode::release;

  /// Calls f(name, field, help) for every field; the one list that reading, writing and help use.
  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("embed_dims", self.embed_dims, "channels of each stage");
    f("depths", self.depths, "blocks of each stage");
    f("num_heads", self.num_heads, "retention heads of each stage");
    f("decay_init", self.decay_init, "initial decay exponent: the first head has gamma = 1 - 2^-init");
    f("decay_range", self.decay_range, "range of decay exponents over the heads of a stage");
    f("mlp_ratios", self.mlp_ratios, "feed-forward width as a multiple of the channels");
    f("mixer", self.mixer, "what mixes tokens: MaSA, or causal retention row by row");
    f("decomposed", self.decomposed, "per stage: decomposed (row then column) instead of full MaSA; mixer masa only");
    f("layer_scale", self.layer_scale, "per stage: learned scale on both residual branches");
    f("layer_scale_init", self.layer_scale_init, "initial value of the layer scale");
    f("head", self.head, "what stands on the last stage");
    f("projection_dim", self.projection_dim, "width of the projection before pooling");
    f("num_classes", self.num_classes, "classes of the classifier");
    f("out_indices", self.out_indices, "stages (0-based) that a model without head returns");
    f("drop_path_rate", self.drop_path_rate, "largest stochastic-depth rate, reached by the last block");
    f("in_channels", self.in_channels, "channels of the input image");
    f("decay_mode", self.decay_mode, "decay before the softmax (release) or after it (paper)");
  }

  /// Throws ConfigError naming the first field whose value no RMT can have.
  RETENTIVE_API void validate() const;

  bool operator==(const RmtConfig&) const = default;
};

/// What is wrong with a list of stages, which must ascend within 0..3, worded to follow the list's name.
std::optional<std::string> stage_list_fault(const std::vector<int64_t>& stages);

}  // namespace retentive::vision

template <>
struct retentive::EnumNames<retentive::vision::RmtMixer> {
  using Mixer = retentive::vision::RmtMixer;
  static constexpr std::array<std::pair<Mixer, std::string_view>, 2> table = {
      {{Mixer::masa, "masa"}, {Mixer::retention, "retention"}}};
};

template <>
struct retentive::EnumNames<retentive::vision::RmtHead> {
  using Head = retentive::vision::RmtHead;
  static constexpr std::array<std::pair<Head, std::string_view>, 3> table = {
      {{Head::classifier, "classifier"}, {Head::token_label, "token_label"}, {Head::none, "none"}}};
};
