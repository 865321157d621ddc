#include <algorithm>
#include <vector>

#include <vision/patch_embed.h>

namespace retentive::vision {

using torch::Tensor;

PatchEmbedImpl::PatchEmbedImpl(int64_t in_channels, int64_t dim, int64_t patch)
    : patch_(patch), proj_(register_module("proj", nn::PatchLinear(in_channels, dim, patch))) {}

PatchEmbedImpl::~PatchEmbedImpl() = default;

Tensor PatchEmbedImpl::pad(const Tensor& image) const {
  const auto missing = [this](int64_t side) { return (patch_ - side % patch_) % patch_; };
  const auto below = missing(image.size(2)), right = missing(image.size(3));
  return below == 0 && right == 0 ? image : torch::constant_pad_nd(image, {0, right, 0, below});
}

Tensor PatchEmbedImpl::forward(const Tensor& padded, int64_t begin, int64_t end) {
  const auto width = padded.size(3) / patch_;
  // Pixels of a block of whole patches: [B, n, in * p * p].
  const auto cut = [&](int64_t y, int64_t rows, int64_t x, int64_t columns) {
    const auto block = padded.narrow(2, y * patch_, rows * patch_).narrow(3, x * patch_, columns * patch_);
    const auto split = block.unflatten(3, {columns, patch_}).unflatten(2, {rows, patch_});
    return split.permute({0, 2, 4, 1, 3, 5}).reshape({padded.size(0), rows * columns, -1});
  };
  std::vector<Tensor> pieces;
  for (int64_t at = begin; at < end;) {
    const auto y = at / width, x = at % width;
    const bool whole = x == 0 && end - at >= width;
    const auto rows = whole ? (end - at) / width : 1, columns = whole ? width : std::min(width - x, end - at);
    pieces.push_back(cut(y, rows, x, columns));
    at += rows * columns;
  }
  return proj_->forward(pieces.size() == 1 ? pieces.front() : torch::cat(pieces, 1));
}

}  // namespace retentive::vision
