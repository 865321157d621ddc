#include <algorithm>

#include <vision/detection/matcher.h>

namespace retentive::vision {
namespace {

// `count` of `indices` at random, in ascending order; all when there are fewer.
torch::Tensor choose(const torch::Tensor& indices, int64_t count, const at::Generator& generator) {
  if (indices.size(0) <= count) return indices;
  const auto order = torch::randperm(indices.size(0), generator, torch::kLong).slice(0, 0, count);
  return indices.index_select(0, std::get<0>(order.sort()));
}

}  // namespace

torch::Tensor match(const torch::Tensor& overlaps, const MatcherOptions& options) {
  const auto boxes = overlaps.size(1);
  auto matched = torch::full({boxes}, kIgnored, torch::kLong);
  if (overlaps.size(0) == 0) return matched.fill_(kBackground);
  const auto [best, object] = overlaps.max(0);
  matched.masked_fill_(best < options.negative, kBackground);
  matched = torch::where(best >= options.positive, object, matched);
  const auto best_of_object = std::get<0>(overlaps.max(1, /*keepdim=*/true));  // [objects, 1]
  const auto own = (overlaps == best_of_object) & (best_of_object >= options.low_quality) & (best_of_object > 0);
  const auto numbers = torch::arange(overlaps.size(0)).unsqueeze(1);
  const auto last = torch::where(own, numbers, torch::full({}, kBackground, torch::kLong)).amax(0);  // [boxes]
  return torch::where(last >= 0, last, matched);
}

std::pair<torch::Tensor, torch::Tensor> sample(const torch::Tensor& matched, int64_t count, double positive_share,
                                               const at::Generator& generator) {
  const auto most = static_cast<int64_t>(static_cast<double>(count) * positive_share);
  const auto positive = choose((matched >= 0).nonzero().squeeze(1), most, generator);
  const auto background = (matched == kBackground).nonzero().squeeze(1);
  return {positive, choose(background, count - positive.size(0), generator)};
}

}  // namespace retentive::vision
