#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>

#include <retention/base/export.h>

namespace retentive {

/// Memory for intermediate results that is handed back instead of being returned to the system: fresh pages cost more
/// to fault in than most layers cost to compute. Thread-safe; buffers may outlive neither the pool nor the process.
class RETENTIVE_API BufferPool {
 public:
  struct Returner {
    BufferPool* pool;
    void operator()(void* memory) const;
  };
  using Buffer = std::unique_ptr<void, Returner>;

  BufferPool() = default;
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  /// The pool that prepared models share.
  static BufferPool& shared();

  /// At least `bytes` bytes, aligned to 64, of undefined content. Throws std::bad_alloc.
  Buffer acquire(size_t bytes);

  /// Takes back a buffer whose owner has been released from its unique_ptr; false when it is not of this pool.
  bool give_back(void* memory);

  /// Frees what nobody uses.
  void trim();

  /// Bytes held, in use and idle.
  size_t held() const;

 private:
  struct Block {
    void* memory;
    size_t bytes;
  };

  void* take_idle(size_t bytes);
  void free_idle_beyond(size_t limit);

  mutable std::mutex mutex_;
  std::list<Block> idle_;  // most recently used first
  std::list<Block> used_;
  size_t idle_bytes_ = 0;
  size_t used_bytes_ = 0;
  size_t peak_used_bytes_ = 0;
};

}  // namespace retentive
