#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace retentive::apps {

/// Progress of a job over many items on stderr: a bar with the remaining time on a terminal, else a line every few
/// seconds. Jobs that are small or done within a second print nothing.
class ProgressMeter {
 public:
  /// `unit` is the plural of what is counted, for example "images".
  ProgressMeter(int64_t total, std::string unit);
  /// Removes the bar.
  ~ProgressMeter();
  ProgressMeter(const ProgressMeter&) = delete;
  ProgressMeter& operator=(const ProgressMeter&) = delete;

  /// Counts one item as done.
  void advance();

  /// Takes the bar off the terminal, so that other text can be printed; advance() draws it again.
  void hide();

 private:
  using Clock = std::chrono::steady_clock;

  std::string text(Clock::time_point now) const;

  int64_t total_;
  std::string unit_;
  int64_t done_ = 0;
  bool terminal_;
  bool shown_ = false;
  Clock::time_point start_;
  Clock::time_point reported_;
};

}  // namespace retentive::apps
