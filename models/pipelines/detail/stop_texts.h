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

  /// The text that may be shown now; nothing more follows once a stop text is met.
  std::string push(const std::string& piece) {
    if (met_) return {};
    held_ += piece;
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
    auto taken = held_.substr(0, count);
    held_.erase(0, count);
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
  bool met_ = false;
};

}  // namespace retentive::models
