#include <cmath>
#include <string>

#include <retention/base/error.h>
#include <vision/vir_config.h>

namespace retentive::vision {
namespace {

[[noreturn]] void fail(const std::string& what) { throw ConfigError("[vir] " + what); }

void check_range(const char* name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return;
  fail(std::string(name) + " is " + std::to_string(value) + "; " + std::to_string(least) + " to " +
       std::to_string(most) + " is accepted");
}

void check_sizes(const VirConfig& config) {
  constexpr int64_t kSide = 1 << 16, kWidth = 1 << 20;
  for (const auto side : config.image_size) check_range("a side of image_size", side, 1, kSide);
  check_range("patch_size", config.patch_size, 1, 1024);
  check_range("in_channels", config.in_channels, 1, 1024);
  check_range("dim", config.dim, 1, kWidth);
  check_range("depth", config.depth, 1, 4096);
  check_range("num_heads", config.num_heads, 1, config.dim);
  check_range("num_classes", config.num_classes, 0, 1 << 24);
  check_range("decay_dims", config.decay_dims, 1, 2);
  if (config.dim % config.num_heads != 0) {
    fail("dim is " + std::to_string(config.dim) + " and num_heads is " + std::to_string(config.num_heads) +
         "; dim must be a multiple of num_heads; change one of them");
  }
  const double hidden = static_cast<double>(config.dim) * config.mlp_ratio;
  if (!(hidden >= 1 && hidden <= static_cast<double>(kWidth))) {
    fail("mlp_ratio is " + std::to_string(config.mlp_ratio) + "; the feed-forward needs a width of 1 to " +
         std::to_string(kWidth));
  }
}

void check_attention(const VirConfig& config) {
  if (config.mixer != MixerKind::attention) return;
  const auto refuse = [](const std::string& field) {
    fail(field + " is set, which is a choice of retention, but mixer is \"attention\"; leave it at its default");
  };
  if (config.release_softmax) refuse("release_softmax");
  if (config.decay_dims != 1) refuse("decay_dims");
  if (config.epilogue != VirEpilogue::linear) refuse("epilogue");
}

}  // namespace

void VirConfig::validate() const {
  check_sizes(*this);
  if (layer_scale_init && !std::isfinite(*layer_scale_init)) {
    fail("layer_scale_init is " + std::to_string(*layer_scale_init) + "; a finite number or null is accepted");
  }
  if (!std::isfinite(norm_eps) || norm_eps < 0) {
    fail("norm_eps is " + std::to_string(norm_eps) + "; 0 or more is accepted, usually 1e-6");
  }
  if (!(drop_path_rate >= 0 && drop_path_rate < 1)) {
    fail("drop_path_rate is " + std::to_string(drop_path_rate) + "; at least 0 and less than 1 is accepted");
  }
  check_attention(*this);
}

}  // namespace retentive::vision
