#include <models/formats/atomic_file.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <models/formats/message.h>

namespace retentive::models::formats {
namespace {

// Short and independent of the final name, which may already have the longest length a file system takes.
std::string temporary_name() {
  static std::atomic<unsigned> counter{0};
  return ".retentive-" + std::to_string(::getpid()) + "-" + std::to_string(counter++) + ".tmp";
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  directory_ = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
  do {
    temporary_ = directory_ / temporary_name();
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (fd_ < 0 && (errno == EEXIST || errno == EINTR));
  if (fd_ < 0) fail("a temporary file in " + directory_.string() + " cannot be created", errno);
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  constexpr std::size_t kLargestWrite = std::size_t{1} << 30;
  while (!bytes.empty()) {
    const auto written = ::write(fd_, bytes.data(), std::min(bytes.size(), kLargestWrite));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot be written", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0) fail("cannot be flushed to the disk", errno);
  if (::close(std::exchange(fd_, -1)) != 0) fail("cannot be closed", errno);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot be put in place", errno);
  temporary_.clear();
  sync_directory();
}

void AtomicFile::sync_directory() const {
  const int directory = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) fail("its directory cannot be opened", errno);
  const int error = ::fsync(directory) == 0 ? 0 : errno;
  ::close(directory);
  // Some network and overlay file systems know no fsync of a directory; the rename itself has happened.
  if (error != 0 && error != EINVAL && error != ENOTSUP) fail("its directory cannot be flushed to the disk", error);
}

void AtomicFile::fail(const std::string& action, int error) const {
  fail_checkpoint("write", path_.string(),
                  action + " (" + errno_text(error) + "); give a path in an existing, writable directory with space");
}

}  // namespace retentive::models::formats
