#include <cmath>

#include <models/pipelines/detail/backbone_probe.h>
#include <retention/ops/masa.h>
#include <vision/rmt.h>

namespace retentive::models {
namespace {

using torch::Tensor;
using vision::RmtImpl;

/// One call of MaSA; q, k, v [1, H, W, N, D].
struct MasaCall {
  Tensor q, k, v, log_gamma, angle;
  DecayMode mode;
  bool decomposed;

  Tensor run(const Tensor& values) const {  // [1, H W, N, D] -> the same
    const auto attend = decomposed ? &masa_decomposed : &masa;
    const double k_scale = 1 / std::sqrt(static_cast<double>(q.size(-1)));
    return attend(q, k, values.view(q.sizes()), log_gamma, angle, k_scale, mode).flatten(1, 2);
  }

  Tensor weights(int64_t row, int64_t column) const {
    return mixing_weights([this](const Tensor& values) { return run(values); }, v.flatten(1, 2),
                          row * q.size(2) + column);
  }

  /// A row or column alone, where decomposed MaSA is its one pass.
  MasaCall along(int64_t axis, int64_t index, const Tensor& angle_of_step) const {
    const auto cut = [&](const Tensor& x) { return x.narrow(axis, index, 1).contiguous(); };
    return {cut(q), cut(k), cut(v), log_gamma, angle_of_step, mode, decomposed};
  }
  MasaCall of_row(int64_t row) const { return along(1, row, angle); }
  // A step down a column turns queries and keys as far as a whole row does.
  MasaCall of_column(int64_t column) const { return along(2, column, angle * q.size(2)); }
};

class RmtProbe : public BackboneProbe {
 public:
  explicit RmtProbe(std::shared_ptr<RmtImpl> rmt) : rmt_(std::move(rmt)) {}

  int64_t stages() const override { return static_cast<int64_t>(config().depths.size()); }
  int64_t blocks(int64_t stage) const override { return config().depths[static_cast<size_t>(stage)]; }
  int64_t last_class_block() const override { return config().depths.back() - 1; }

  vision::ShapeSpec grid(int64_t height, int64_t width, int64_t stage) const override {
    return rmt_->output_shape(height, width)[static_cast<size_t>(stage)];
  }

  DecayLaw decay(int64_t stage) const override {
    const bool masa = config().mixer == vision::RmtMixer::masa;
    return {masa ? Reach::manhattan : Reach::sequence, position(stage)->decay};
  }

  // Retention in an RMT norms the results of its heads.
  bool mixes_by_weights() const override { return config().mixer == vision::RmtMixer::masa; }

  Tensor map_after(const Tensor& image, int64_t stage, int64_t block) const override {
    return run(image, stage, block + 1);
  }

  TokenMixing mixing(const Tensor& image, int64_t stage, int64_t block) const override {
    const auto call = masa_call(image, stage, block);
    const auto values = call.v.flatten(1, 2);  // [1, T, N, D]
    TokenMixing mixing;
    mixing.values = values[0];
    mixing.outputs = call.run(values)[0];
    mixing.weights = [call](int64_t row, int64_t column) { return call.weights(row, column); };
    if (!call.decomposed) return mixing;
    mixing.row_weights = [call](int64_t row, int64_t column) { return call.of_row(row).weights(0, column); };
    mixing.column_weights = [call](int64_t row, int64_t column) { return call.of_column(column).weights(row, 0); };
    return mixing;
  }

  ClassEvidence evidence(const Tensor& image, int64_t stage, int64_t block) const override {
    const auto map = without_gradients([&] { return map_after(image, stage, block); });
    const auto features = map.flatten(1, 2).requires_grad_();  // [1, T, C]
    auto x = features.view(map.sizes());
    for (int64_t b = block + 1; b < blocks(stage); ++b) x = run_block(x, stage, b);
    for (int64_t s = stage + 1; s < stages(); ++s) x = part(s)->forward_blocks(part(s - 1)->downsample(x));
    return {features, rmt_->forward_head(x.permute({0, 3, 1, 2}))};
  }

 private:
  const vision::RmtConfig& config() const { return rmt_->config(); }

  static std::string path(int64_t stage) { return "layers." + std::to_string(stage); }
  static std::string path(int64_t stage, int64_t block) { return path(stage) + ".blocks." + std::to_string(block); }

  std::shared_ptr<vision::RmtStageImpl> part(int64_t stage) const {
    return part_of<vision::RmtStageImpl>(*rmt_, path(stage));
  }

  vision::RelativePosition position(int64_t stage) const {
    return vision::RelativePosition(part_of<vision::RelativePositionImpl>(*rmt_, path(stage) + ".Relpos"));
  }

  Tensor run_block(const Tensor& x, int64_t stage, int64_t block) const {
    return part_of<vision::RmtBlockImpl>(*rmt_, path(stage, block))->forward(x, position(stage));
  }

  // The map [1, h, w, C] after so many blocks of a stage.
  Tensor run(const Tensor& image, int64_t stage, int64_t count) const {
    auto x = part_of<vision::ConvStemImpl>(*rmt_, "patch_embed")->forward(image);
    for (int64_t s = 0; s < stage; ++s) x = part(s)->downsample(part(s)->forward_blocks(x));
    for (int64_t b = 0; b < count; ++b) x = run_block(x, stage, b);
    return x;
  }

  template <class Make>
  static Tensor without_gradients(const Make& make) {
    const torch::NoGradGuard guard;
    return make();
  }

  MasaCall masa_call(const Tensor& image, int64_t stage, int64_t block) const {
    const auto block_path = path(stage, block) + ".";
    const auto conv = part_of<vision::DepthwiseConvImpl>(*rmt_, block_path + "pos")->conv();
    const nn::LayerNorm norm(part_of<nn::LayerNormImpl>(*rmt_, block_path + "retention_layer_norm"));
    const auto x = nn::ResidualConvNormGroup(conv, norm).forward(run(image, stage, block)).second;  // [1, H, W, C]
    const auto heads = [&](const char* name) {
      const auto projected = part_of<nn::LinearImpl>(*rmt_, block_path + "retention." + name)->forward(x);
      return projected.unflatten(-1, {config().num_heads[static_cast<size_t>(stage)], -1});  // [1, H, W, N, D]
    };
    const auto relative = position(stage);
    return {heads("q_proj"),
            heads("k_proj"),
            heads("v_proj"),
            relative->decay,
            relative->angle,
            config().decay_mode,
            config().decomposed[static_cast<size_t>(stage)]};
  }

  std::shared_ptr<RmtImpl> rmt_;
};

}  // namespace

std::unique_ptr<BackboneProbe> probe_rmt(const std::shared_ptr<vision::BackboneImpl>& backbone) {
  auto rmt = std::dynamic_pointer_cast<RmtImpl>(backbone);
  return rmt ? std::make_unique<RmtProbe>(std::move(rmt)) : nullptr;
}

}  // namespace retentive::models
