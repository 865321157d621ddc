#pragma once

#include <cstdint>
#include <functional>

#include <torch/torch.h>

#include <retention/base/export.h>
#include <vision/row_source.h>
#include <vision/structures.h>
#include <vision/vir.h>

namespace retentive::vision {

/// One image of any height on its way through a ViR in bands of rows, from top to bottom, without gradients. A band
/// goes through all blocks before the next one is read: what is held is one band, the state, and the position table
/// resampled to the image's columns. Results are those of the whole image in the same form. Not for use from several
/// threads.
class RETENTIVE_API VirStream {
 public:
  /// Tokens before the final norm, [1, T, C], that begin with token `first`; the class token comes last.
  using Sink = std::function<void(const torch::Tensor& tokens, int64_t first)>;

  /// Before the first row. Form "auto" is chunkwise. Throws InvalidArgument for a size that is not positive or the
  /// parallel form, Unsupported for softmax, StateError for a model in training mode.
  VirStream(Vir model, int64_t height, int64_t width, const VirCall& call = {});
  /// Behind the rows of `state`. Throws as above, StateError for a state that is not one of such a model.
  VirStream(Vir model, const VirState& state, const VirCall& call = {});

  /// Called with the tokens of each band from now on. After an exception of it the stream is of no more use.
  void set_sink(Sink sink) { sink_ = std::move(sink); }

  /// Pixels of the image above the next band.
  int64_t next_row() const;
  /// Pixels of the height of the bands that read() takes: whole rows of patches, about one chunk of tokens.
  int64_t band_rows() const;
  bool complete() const { return state_.position > sequence_.patches; }

  /// The next rows of the preprocessed image, [1, in, h, width]: h is a multiple of the patch unless the image ends.
  /// Throws InvalidArgument for another shape or more rows than remain, StateError after a failure.
  void feed(const torch::Tensor& band);

  /// Feeds bands until at least `rows` more rows, or all, are seen; (x / 255 - mean) / std at native size, without the
  /// resize and crop of `preprocessing`. Rows that were seen before the state was saved are skipped.
  /// Throws InvalidArgument for a source of another size, one that is past the next row, or means that do not fit the
  /// model's channels; what RowSource::read throws passes through, and the stream stays at the band before.
  void read(RowSource& source, const Preprocessing& preprocessing, int64_t rows = INT64_MAX);

  /// [1, C] after the final norm, and [1, classes]. Throw StateError before the last row.
  torch::Tensor pooled();
  torch::Tensor logits();

  /// A copy, valid between bands.
  VirState state() const;

 private:
  VirStream(Vir model, VirState state, const VirCall& call, int64_t patch);

  void check_state() const;
  void check_usable() const;

  Vir model_;
  int64_t patch_;
  VirState state_;
  VirImpl::Sequence sequence_;
  Sink sink_;
  bool failed_ = false;
};

}  // namespace retentive::vision
