#pragma once

#include <filesystem>
#include <string>

#include <retention/base/export.h>

namespace retentive::models {

/// Keeps a folder to one training run: `run.lock` in it, locked for as long as the object or its process lives, with
/// process and machine as text. What a process that was killed left behind is taken over.
class RETENTIVE_API RunLock {
 public:
  /// Throws StateError when another run holds the folder, or one that this machine cannot see may do so; DataError when
  /// the file cannot be written.
  explicit RunLock(const std::filesystem::path& folder);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

  /// Whose lock was taken over; empty when there was none.
  const std::string& note() const { return note_; }

 private:
  bool try_open();
  void take_over();

  std::filesystem::path path_;
  std::string note_;
  int fd_ = -1;
};

}  // namespace retentive::models
