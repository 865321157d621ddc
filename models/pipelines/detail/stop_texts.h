#pragma once

#include <string>
#include <vector>

namespace retentive::models {

/// Holds back the end of a stream of text while it may be the beginning of a stop text.
class StopTexts {
 public:
  explicit StopTexts(std::vector<std::string> stops) : stops_(std::move(stops)) {
    std::erase_if(stops_, [](const std::string& stop) { return stop.empty(); });
  }

  /// The text that may be shown now; nothing more follows once a stop text is met. `hidden`, the name of a special
  /// token, comes after `piece`; it is compared with stop texts and never shown.
  std::string push(const std::string& piece, const std::string& hidden = "") {
    if (met_) return {};
    held_ += piece + hidden;
    shown_.resize(held_.size() - hidden.size(), true);
    shown_.resize(held_.size(), false);
    size_t end = std::string::npos;
    for (const auto& stop : stops_) end = std::min(end, held_.find(stop));
    met_ = end != std::string::npos;
    return take(met_ ? end : held_.size() - longest_beginning());
  }

  /// What was held back.
  std::string flush() { return take(held_.size()); }

  bool met() const { return met_; }

 private:
  std::string take(size_t count) {
    std::string taken;
    for (size_t i = 0; i < count; ++i) {
      if (shown_[i]) taken += held_[i];
    }
    held_.erase(0, count);
    shown_.erase(shown_.begin(), shown_.begin() + static_cast<std::ptrdiff_t>(count));
    return taken;
  }

  // Length of the longest end of the held text that begins a stop text.
  size_t longest_beginning() const {
    size_t longest = 0;
    for (const auto& stop : stops_) {
      for (size_t n = std::min(stop.size(), held_.size()); n > longest; --n) {
        if (held_.compare(held_.size() - n, n, stop, 0, n) == 0) longest = n;
      }
    }
    return longest;
  }

  std::vector<std::string> stops_;
  std::string held_;
  std::vector<bool> shown_;  ///< of each held byte
  bool met_ = false;
};

}  // namespace retentive::models
