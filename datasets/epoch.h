#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

namespace retentive::datasets {

/// Where the batches of an epoch come from.
template <class BatchType>
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  virtual std::optional<BatchType> next() = 0;
};

/// The batches of one epoch, in an order that depends on seed and epoch alone. Its destructor stops the workers.
template <class BatchType>
class EpochOf {
 public:
  explicit EpochOf(std::unique_ptr<BatchSource<BatchType>> source) : source_(std::move(source)) {}

  /// The next batch, or nothing at the end. What a sample's reading throws (DataError naming the file) is thrown here,
  /// when its batch is due; the epoch has then ended.
  std::optional<BatchType> next() { return source_->next(); }

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = BatchType;
    using difference_type = std::ptrdiff_t;
    using pointer = BatchType*;
    using reference = BatchType&;

    explicit Iterator(EpochOf* epoch) : epoch_(epoch) { ++*this; }
    BatchType& operator*() { return *batch_; }
    BatchType* operator->() { return &*batch_; }
    Iterator& operator++() {
      batch_ = epoch_->next();
      return *this;
    }
    bool operator==(std::default_sentinel_t) const { return !batch_; }

   private:
    EpochOf* epoch_;
    std::optional<BatchType> batch_;
  };

  Iterator begin() { return Iterator(this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  std::unique_ptr<BatchSource<BatchType>> source_;
};

}  // namespace retentive::datasets
