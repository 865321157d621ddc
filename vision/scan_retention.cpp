#include <retention/ops/retention.h>
#include <vision/scan_retention.h>

namespace retentive::vision {
namespace {

using torch::Tensor;

constexpr int64_t kParallelTokens = 512;
constexpr double kNormEps = 1e-6;

// Of the tokens 0 .. `count` - 1, in double until the product is taken.
std::pair<Tensor, Tensor> phases(const Tensor& angle, int64_t count) {
  const auto positions = torch::arange(count, torch::kDouble).unsqueeze(-1);
  const auto turns = positions * angle.slice(0, 0, angle.size(0), 2).to(torch::kDouble);  // [T, D / 2]
  const auto type = angle.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return {turns.sin().to(type).unsqueeze(0), turns.cos().to(type).unsqueeze(0)};
}

}  // namespace

ScanRetentionImpl::ScanRetentionImpl(int64_t channels, int64_t num_heads) : SpatialMixerImpl(channels, num_heads) {}

ScanRetentionImpl::~ScanRetentionImpl() = default;

Form ScanRetentionImpl::resolve(Form form, int64_t tokens) {
  if (form != Form::auto_) return form;
  return tokens <= kParallelTokens ? Form::parallel : Form::chunkwise;
}

Tensor ScanRetentionImpl::mix(const Tensor& q, const Tensor& k, const Tensor& v, const RelativePosition& position,
                              double k_scale) const {
  const int64_t tokens = q.size(1) * q.size(2);
  const auto [sin, cos] = phases(position->angle, tokens);
  const auto turned = [&](const Tensor& x) {
    return rotary(x.flatten(1, 2), sin, cos, RotaryStyle::interleaved);  // [B, T, N, D]
  };
  const RetentionOptions call{.form = resolve(form_, tokens), .k_scale = k_scale};
  const auto retained = causal_retention(turned(q), turned(k), v.flatten(1, 2), position->decay, call).out;
  const auto normed = retained * torch::rsqrt(retained.square().mean(-1, true) + kNormEps);
  return normed.to(q.scalar_type()).unflatten(1, {q.size(1), q.size(2)});  // [B, H, W, N, D]
}

std::string ScanRetentionImpl::implementation(at::ScalarType type, std::string& reason) const {
  return retention_implementation(type, reason);
}

}  // namespace retentive::vision
