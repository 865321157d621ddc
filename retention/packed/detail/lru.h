#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <utility>

namespace retentive::packed {

/// The most recently used values by key, shared among threads. A value in use stays alive when it drops out.
template <class Key, class Value>
class Lru {
 public:
  explicit Lru(size_t capacity) : capacity_(capacity) {}

  /// The value of `key`, made by make() when it is not there; one thread makes at a time.
  template <class Make>
  std::shared_ptr<const Value> get(const Key& key, const Make& make) {
    const std::lock_guard lock(mutex_);
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (!(it->first == key)) continue;
      entries_.splice(entries_.begin(), entries_, it);
      return it->second;
    }
    entries_.emplace_front(key, make());
    if (entries_.size() > capacity_) entries_.pop_back();
    return entries_.front().second;
  }

 private:
  const size_t capacity_;
  std::mutex mutex_;
  std::list<std::pair<Key, std::shared_ptr<const Value>>> entries_;
};

}  // namespace retentive::packed
