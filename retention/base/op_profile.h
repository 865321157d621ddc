#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include <retention/base/export.h>

namespace retentive {

/// Time spent in each kind of operation while it is active; at most one is. Operations of several threads add up.
class RETENTIVE_API OpProfile {
 public:
  struct Row {
    int64_t calls = 0;
    double milliseconds = 0;
    double gmacs = 0;
    double gigabytes = 0;  ///< that it must read and write at least, in 1e9 bytes; 0 where nobody counted them
  };

  OpProfile();
  ~OpProfile();
  OpProfile(const OpProfile&) = delete;
  OpProfile& operator=(const OpProfile&) = delete;

  static OpProfile* active();
  void add(const std::string& operation, double milliseconds, double macs, double bytes);
  /// By operation.
  std::map<std::string, Row> rows() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Row> rows_;
};

/// Begins the names of parts of a model, whose times contain those of operations.
inline constexpr const char* kStagePrefix = "stage ";

/// Times its own scope for the active profile; costs one load when there is none. `name()` gives the operation.
template <class Name>
class OpTimer {
 public:
  OpTimer(Name name, double macs, double bytes = 0)
      : profile_(OpProfile::active()), name_(std::move(name)), macs_(macs), bytes_(bytes) {
    if (profile_ != nullptr) start_ = std::chrono::steady_clock::now();
  }
  ~OpTimer() {
    if (profile_ == nullptr) return;
    const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start_;
    profile_->add(name_(), spent.count(), macs_, bytes_);
  }
  OpTimer(const OpTimer&) = delete;
  OpTimer& operator=(const OpTimer&) = delete;

 private:
  OpProfile* profile_;
  Name name_;
  double macs_;
  double bytes_;
  std::chrono::steady_clock::time_point start_;
};

/// What `run` returns, timed as a stage.
template <class Run>
auto timed_stage(const char* stage, const Run& run) {
  const OpTimer timer([stage] { return kStagePrefix + std::string(stage); }, 0);
  return run();
}

}  // namespace retentive
