#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include <retention/base/enum_names.h>
#include <retention/base/export.h>
#include <retention/base/form.h>
#include <retention/base/mixer.h>

namespace retentive::models {

/// Which published RetNet a model is; they are different functions. `torchscale`: interleaved rotary, row scalars, no
/// weight in the head norm. `fla`: half-split rotary of other frequencies, no row scalars, a weight in the head norm.
enum class RetnetDialect { torchscale, fla };

enum class RetnetActivation { swish, gelu };

/// Architecture of a RetNet language model.
struct RetnetConfig {
  RetnetDialect dialect = RetnetDialect::torchscale;
  MixerKind mixer = MixerKind::retention;  ///< attention has no gate
  int64_t vocab_size = 50257;
  int64_t dim = 768;
  int64_t value_dim = 1280;
  int64_t ffn_dim = 1280;
  int64_t num_layers = 12;
  int64_t num_heads = 3;
  RetnetActivation activation = RetnetActivation::swish;
  DecaySchedule decay = DecaySchedule::retnet;
  Normalization normalization = Normalization::exact;
  bool scale_embedding = false;
  bool layernorm_embedding = false;
  bool tie_embeddings = false;
  bool pre_norm = true;
  bool deepnorm = false;
  double norm_eps = 1e-6;
  double dropout = 0;
  double drop_path_rate = 0;
  int64_t chunk_size = 512;

  /// Calls f(name, field, help) for every field; the one list that reading, writing and help use.
  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("dialect", self.dialect, "which published RetNet: that of torchscale or of flash-linear-attention (fla)");
    f("mixer", self.mixer, "what mixes tokens: retention, or softmax attention for comparison");
    f("vocab_size", self.vocab_size, "entries of the vocabulary");
    f("dim", self.dim, "width of the residual stream");
    f("value_dim", self.value_dim, "width of the values of all heads together");
    f("ffn_dim", self.ffn_dim, "width of the gated feed-forward");
    f("num_layers", self.num_layers, "number of blocks");
    f("num_heads", self.num_heads, "retention heads");
    f("activation", self.activation, "of the feed-forward's gate");
    f("decay", self.decay, "decay rates: 1 - 2^(-5-h), or log-spaced");
    f("normalization", self.normalization, "row scalars: the same in every form, or those of torchscale's forms");
    f("scale_embedding", self.scale_embedding, "multiply embeddings by sqrt(dim)");
    f("layernorm_embedding", self.layernorm_embedding, "norm after the embedding");
    f("tie_embeddings", self.tie_embeddings, "the output projection is the embedding table");
    f("pre_norm", self.pre_norm, "norm before each branch and at the end, instead of after each sum");
    f("deepnorm", self.deepnorm, "residual stream times (2 num_layers)^(1/4) at each branch");
    f("norm_eps", self.norm_eps, "added to the mean square in every norm");
    f("dropout", self.dropout, "dropout rate of embeddings and branches");
    f("drop_path_rate", self.drop_path_rate, "largest stochastic-depth rate, reached by the last block");
    f("chunk_size", self.chunk_size, "tokens of a chunk in the chunkwise form");
  }

  int64_t key_head_dim() const { return dim / num_heads; }
  int64_t value_head_dim() const { return value_dim / num_heads; }
  RotaryStyle rotary() const {
    return dialect == RetnetDialect::fla ? RotaryStyle::half_split : RotaryStyle::interleaved;
  }

  /// Throws ConfigError naming the first field whose value no RetNet can have.
  RETENTIVE_API void validate() const;

  bool operator==(const RetnetConfig&) const = default;
};

}  // namespace retentive::models

#define RETENTIVE_TWO_NAMES(Enum, a, b)                                                                \
  template <>                                                                                          \
  struct retentive::EnumNames<retentive::models::Enum> {                                               \
    using E = retentive::models::Enum;                                                                 \
    static constexpr std::array<std::pair<E, std::string_view>, 2> table = {{{E::a, #a}, {E::b, #b}}}; \
  };
RETENTIVE_TWO_NAMES(RetnetDialect, torchscale, fla)
RETENTIVE_TWO_NAMES(RetnetActivation, swish, gelu)
#undef RETENTIVE_TWO_NAMES
