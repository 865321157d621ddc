#include <vision/detection/losses.h>

namespace retentive::vision {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr double kAlpha = 0.25;
constexpr int64_t kRows = 16384;  // rows at a time, so that temporaries stay in the cache's reach

// Loss and gradient of rows of logits [n, K] whose targets are the one-hot [n, K].
// With p = sigmoid(x), q = 1 - p for positives and p for the rest: loss = -a q^2 log(1 - q).
std::pair<Tensor, Tensor> focal_rows(const Tensor& logits, const Tensor& positive) {
  const auto sign = torch::where(positive, -1.0f, 1.0f);
  const auto signed_logits = logits * sign;
  const auto q = signed_logits.sigmoid();
  const auto log_loss = torch::softplus(signed_logits);  // -log(1 - q)
  const auto weight = torch::where(positive, static_cast<float>(kAlpha), static_cast<float>(1 - kAlpha));
  const auto loss = (weight * q * q * log_loss).sum(at::kDouble);
  // d/ds [q^2 softplus(s)] = 2 q^2 (1 - q) softplus(s) + q^3
  const auto slope = q * q * (2 * (1 - q) * log_loss + q);
  return {loss, weight * slope * sign};
}

struct FocalLoss : torch::autograd::Function<FocalLoss> {
  static Tensor forward(AutogradContext* context, const Tensor& logits, const Tensor& labels) {
    const auto n = logits.size(0), K = logits.size(1);
    auto gradient = torch::empty_like(logits);
    auto total = torch::zeros({}, at::kDouble);
    const auto classes = torch::arange(K);
    for (int64_t begin = 0; begin < n; begin += kRows) {
      const auto end = std::min(begin + kRows, n);
      const auto positive = labels.slice(0, begin, end).unsqueeze(1) == classes;  // [rows, K]
      const auto [loss, slope] = focal_rows(logits.slice(0, begin, end), positive);
      total += loss;
      gradient.slice(0, begin, end).copy_(slope);
    }
    context->save_for_backward({gradient});
    return total.to(logits.scalar_type());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    return {context->get_saved_variables()[0] * gradients[0], Tensor()};
  }
};

}  // namespace

torch::Tensor focal_loss(const torch::Tensor& logits, const torch::Tensor& labels) {
  return FocalLoss::apply(logits, labels);
}

}  // namespace retentive::vision
