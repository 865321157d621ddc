#include <vision/vir_stream.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <retention/base/error.h>
#include <retention/ops/detail/shape_text.h>

namespace retentive::vision {
namespace {

using retentive::detail::shape_text;
using torch::Tensor;

VirState copy_of(const VirState& state) {
  auto copy = state;
  for (auto& block : copy.blocks) {
    for (auto& tensor : block.tensors) tensor = tensor.clone();
  }
  if (state.pooled.defined()) copy.pooled = state.pooled.clone();
  return copy;
}

VirState state_before(int64_t height, int64_t width, int64_t blocks) {
  if (height < 1 || width < 1) {
    throw InvalidArgument("[vir] an image of height " + std::to_string(height) + " and width " + std::to_string(width) +
                          "; positive sizes are accepted");
  }
  VirState state;
  state.blocks.resize(static_cast<size_t>(blocks));
  state.height = height;
  state.width = width;
  return state;
}

VirCall streamed(const VirCall& call) {
  if (call.form == Form::parallel) {
    throw InvalidArgument(
        "[vir] form is \"parallel\", which needs all tokens at once; a stream accepts \"recurrent\", \"chunkwise\" or "
        "\"auto\"");
  }
  return {.form = call.form == Form::auto_ ? Form::chunkwise : call.form, .chunk = call.chunk};
}

// Pixels [rows, width, channels] with the channels that the model reads: grey replicated, or the luminance of RGB in
// the fixed-point arithmetic of Pillow's "L".
Tensor to_channels(const Tensor& pixels, int64_t channels) {
  if (pixels.size(2) == channels) return pixels;
  if (pixels.size(2) == 1) return pixels.expand({-1, -1, channels});
  const auto weights = torch::tensor({19595, 38470, 7471}, at::kInt);
  return (pixels.to(at::kInt) * weights).sum(2, true, at::kInt).add_(1 << 15).div_(1 << 16, "floor");
}

Tensor normalised(const Tensor& pixels, const Preprocessing& preprocessing, at::ScalarType type) {
  const auto channels = static_cast<int64_t>(preprocessing.mean.size());
  const auto mean = torch::tensor(preprocessing.mean, type), deviation = torch::tensor(preprocessing.std, type);
  const auto values = to_channels(pixels, channels).to(type).div_(255).sub_(mean).div_(deviation);
  return values.permute({2, 0, 1}).unsqueeze(0);  // [1, C, rows, width]
}

void check_source(const RowSource& source, const VirState& state, int64_t next_row) {
  if (source.height() != state.height || source.width() != state.width) {
    throw InvalidArgument("[vir] the rows are of an image of " + std::to_string(source.height()) + " x " +
                          std::to_string(source.width()) + ", the stream is of one of " + std::to_string(state.height) +
                          " x " + std::to_string(state.width) + "; read the image that it began with");
  }
  if (source.next_row() > next_row) {
    throw InvalidArgument("[vir] the source is at row " + std::to_string(source.next_row()) +
                          ", past the stream's next row " + std::to_string(next_row) + "; open the image again");
  }
}

void check_preprocessing(const Preprocessing& preprocessing, int64_t channels) {
  const auto fits = [channels](const std::vector<double>& values) {
    return static_cast<int64_t>(values.size()) == channels;
  };
  if (fits(preprocessing.mean) && fits(preprocessing.std) && (channels == 1 || channels == 3)) return;
  throw InvalidArgument("[vir] preprocessing has " + std::to_string(preprocessing.mean.size()) + " means and " +
                        std::to_string(preprocessing.std.size()) + " standard deviations for a model of " +
                        std::to_string(channels) + " channels; one each for 1 or 3 channels is accepted");
}

}  // namespace

VirStream::VirStream(Vir model, int64_t height, int64_t width, const VirCall& call)
    : VirStream(model, state_before(height, width, model->config().depth), call, model->config().patch_size) {}

VirStream::VirStream(Vir model, const VirState& state, const VirCall& call)
    : VirStream(model, copy_of(state), call, model->config().patch_size) {}

VirStream::VirStream(Vir model, VirState state, const VirCall& call, int64_t patch)
    : model_(std::move(model)), patch_(patch), state_(std::move(state)), sequence_([&] {
        const torch::NoGradGuard no_grad;
        return model_->sequence_of(std::max<int64_t>(state_.height, 1), std::max<int64_t>(state_.width, 1),
                                   model_->cls_token_.scalar_type(), streamed(call));
      }()) {
  if (model_->is_training()) {
    throw StateError("[vir] the model is in training mode; call eval() before an image is streamed");
  }
  check_state();
}

void VirStream::check_state() const {
  const auto& config = model_->config();
  const auto position = state_.position;
  bool fits = static_cast<int64_t>(state_.blocks.size()) == config.depth && state_.height > 0 && state_.width > 0 &&
              position >= 0 &&
              (position == sequence_.patches + 1 || (position < sequence_.patches && position % sequence_.width == 0));
  const auto heads = config.num_heads, dim = config.head_dim();
  for (const auto& block : state_.blocks) {
    const auto expected = position == 0 ? 0U : config.decay_dims == 2 ? 2U : 1U;
    fits = fits && block.tensors.size() == expected;
    // Per head D x D values, once, or with 2-D decay once per column and once for the row.
    for (size_t i = 0; fits && i < expected; ++i) {
      const bool columns = config.decay_dims == 2 && i == 0;
      fits = block.tensors[i].numel() == heads * dim * dim * (columns ? sequence_.width : 1);
    }
  }
  if (fits) return;
  throw StateError("[vir] the state (" + std::to_string(state_.blocks.size()) + " blocks, an image of " +
                   std::to_string(state_.height) + " x " + std::to_string(state_.width) + ", " +
                   std::to_string(position) +
                   " tokens seen) is not one of this model; continue with the model that "
                   "made it");
}

void VirStream::check_usable() const {
  if (failed_) throw StateError("[vir] the stream failed in a band before; continue from a state saved earlier");
}

int64_t VirStream::next_row() const { return std::min(state_.position / sequence_.width * patch_, state_.height); }

int64_t VirStream::band_rows() const {
  // Recurrent form: several tokens are cut out at once all the same.
  constexpr int64_t kRecurrentBand = 256;
  const auto tokens = std::max(sequence_.chunk, sequence_.form == Form::recurrent ? kRecurrentBand : int64_t{1});
  return std::max<int64_t>(1, std::min(tokens, sequence_.patches) / sequence_.width) * patch_;
}

void VirStream::feed(const Tensor& band) {
  check_usable();
  const auto remaining = complete() ? 0 : state_.height - next_row();
  const bool shape = band.dim() == 4 && band.size(0) == 1 && band.size(1) == model_->config().in_channels &&
                     band.size(3) == state_.width && band.size(2) > 0 && band.size(2) <= remaining;
  if (!shape || (band.size(2) < remaining && band.size(2) % patch_ != 0)) {
    throw InvalidArgument("[vir] band is " + shape_text(band) + "; [1, " +
                          std::to_string(model_->config().in_channels) + ", h, " + std::to_string(state_.width) +
                          "] is accepted with h a multiple of " + std::to_string(patch_) + " or the remaining " +
                          std::to_string(remaining) + " rows");
  }
  const torch::NoGradGuard no_grad;
  failed_ = true;  // until the band is through
  sequence_.image = model_->patch_embed_->pad(band);
  sequence_.first = state_.position;
  const auto patches = sequence_.first + sequence_.image.size(2) / patch_ * sequence_.width;
  const auto end = patches == sequence_.patches ? patches + 1 : patches;
  while (state_.position < end) {
    const auto begin = state_.position, next = std::min(begin + sequence_.chunk, end);
    const auto x = model_->embed(sequence_, begin, next);
    const auto tokens = model_->run(x, model_->context_of(sequence_, begin, next), &state_);
    model_->gather(state_.pooled, tokens, begin, sequence_.patches);
    if (sink_) sink_(tokens, begin);
    state_.position = next;
  }
  sequence_.image = Tensor();
  failed_ = false;
}

void VirStream::read(RowSource& source, const Preprocessing& preprocessing, int64_t rows) {
  check_usable();
  check_preprocessing(preprocessing, model_->config().in_channels);
  check_source(source, state_, next_row());
  const auto row = source.width() * source.channels();
  const auto height = std::min(band_rows(), state_.height);
  std::vector<uint8_t> pixels(static_cast<size_t>(height * row));
  while (source.next_row() < next_row()) {
    source.read(std::min(height, next_row() - source.next_row()), pixels.data());
  }
  const auto type = model_->cls_token_.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  for (int64_t seen = 0; seen < rows && !complete();) {
    const auto count = std::min(height, state_.height - next_row());
    source.read(count, pixels.data());
    const auto band = torch::from_blob(pixels.data(), {count, source.width(), source.channels()}, at::kByte);
    feed(normalised(band, preprocessing, type));
    seen += count;
  }
}

Tensor VirStream::pooled() {
  check_usable();
  if (!complete()) {
    throw StateError("[vir] the stream is at row " + std::to_string(next_row()) + " of " +
                     std::to_string(state_.height) + "; feed the rest before its result is asked for");
  }
  const torch::NoGradGuard no_grad;
  return model_->norm_pooled(state_.pooled, sequence_.patches);
}

Tensor VirStream::logits() {
  const torch::NoGradGuard no_grad;
  return model_->classify(pooled());
}

VirState VirStream::state() const {
  check_usable();
  return copy_of(state_);
}

}  // namespace retentive::vision
