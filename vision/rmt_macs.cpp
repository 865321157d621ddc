#include <retention/base/retention_cost.h>
#include <retention/ops/retention.h>
#include <vision/rmt.h>
#include <vision/scan_retention.h>

namespace retentive::vision {
namespace {

int64_t halved(int64_t n) { return (n + 1) / 2; }

int64_t stem_macs(const RmtConfig& config, int64_t height, int64_t width) {
  const int64_t out = config.embed_dims[0], half = out / 2;
  const int64_t at_half = halved(height) * halved(width), at_quarter = halved(halved(height)) * halved(halved(width));
  return 9 * (at_half * half * (config.in_channels + half) + at_quarter * out * (half + out));
}

int64_t mixer_macs(const RmtConfig& config, size_t stage, const ShapeSpec& map, Form form, MaskedProducts masked) {
  const int64_t tokens = map.height * map.width, heads = config.num_heads[stage];
  if (config.mixer == RmtMixer::retention) {
    const int64_t dim = map.channels / heads, chunk = retention_chunk(RetentionOptions{}.chunk, dim, dim);
    return heads * retention_macs({tokens, dim, dim, chunk}, ScanRetentionImpl::resolve(form, tokens), masked);
  }
  const int64_t keys = config.decomposed[stage] ? map.height + map.width : tokens;
  return 2 * tokens * keys * map.channels;
}

// One block on a map: CPE, projections, LCE, attention, feed-forward.
int64_t block_macs(const RmtConfig& config, size_t stage, const ShapeSpec& map, Form form, MaskedProducts masked) {
  const int64_t tokens = map.height * map.width, channels = map.channels;
  const auto hidden = static_cast<int64_t>(config.mlp_ratios[stage] * static_cast<double>(channels));
  const int64_t per_token = 9 * channels + 4 * channels * channels + 25 * channels + 2 * hidden * channels + 9 * hidden;
  return tokens * per_token + mixer_macs(config, stage, map, form, masked);
}

}  // namespace

int64_t RmtImpl::macs(int64_t height, int64_t width) const {
  return count_macs(height, width, MaskedProducts::counted);
}

int64_t RmtImpl::useful_macs(int64_t height, int64_t width) const {
  return count_macs(height, width, MaskedProducts::left_out);
}

int64_t RmtImpl::count_macs(int64_t height, int64_t width, MaskedProducts masked) const {
  int64_t total = stem_macs(config_, height, width);
  const auto shapes = output_shape(height, width);
  for (size_t s = 0; s < shapes.size(); ++s) {
    total += config_.depths[s] * block_macs(config_, s, shapes[s], form_, masked);
    if (s > 0) total += shapes[s].height * shapes[s].width * 9 * shapes[s - 1].channels * shapes[s].channels;
  }
  if (config_.head == RmtHead::none) return total;
  const auto& last = shapes.back();
  const int64_t tokens = last.height * last.width;
  total += tokens * last.channels * config_.projection_dim + config_.projection_dim * config_.num_classes;
  if (config_.head == RmtHead::token_label) total += tokens * last.channels * config_.num_classes;
  return total;
}

}  // namespace retentive::vision
