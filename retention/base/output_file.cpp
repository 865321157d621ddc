#include <retention/base/output_file.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

#include <retention/base/error.h>

namespace retentive {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kBufferSize = std::size_t{1} << 16;
constexpr const char* kCannotWrite = "cannot be written";

// Short and independent of the final name, which may already have the longest length a file system takes.
std::string temporary_name() {
  static std::atomic<unsigned> counter{0};
  return ".retentive-" + std::to_string(::getpid()) + "-" + std::to_string(counter++) + ".tmp";
}

std::string no_temporary(const fs::path& folder) {
  return "a temporary file in " + folder.string() + " cannot be created";
}

/// A new file of a name of its own, open; -1 with errno when there can be none.
int open_temporary(const fs::path& folder, fs::path& path) {
  int fd = -1;
  do {
    path = folder / temporary_name();
    fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (fd < 0 && (errno == EEXIST || errno == EINTR));
  if (fd < 0) path.clear();
  return fd;
}

int connect_socket(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  std::strcpy(address.sun_path, path.c_str());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  const int error = errno;
  ::close(fd);
  errno = error;
  return -1;
}

/// 0, or why a target that is there may not be written.
int access_error(const OutputTarget& target) {
  using Kind = OutputTarget::Kind;
  if (target.error != 0) return target.error;
  if (target.kind == Kind::directory) return EISDIR;
  if (target.kind == Kind::descriptor) {
    const int flags = ::fcntl(target.descriptor, F_GETFL);
    return flags < 0 || (flags & O_ACCMODE) == O_RDONLY ? EBADF : 0;
  }
  if (!target.exists) return 0;
  return ::faccessat(AT_FDCWD, target.path.c_str(), W_OK, AT_EACCESS) == 0 ? 0 : errno;
}

/// Whoever could read or write the file that is replaced can do so with the new one.
void copy_permissions(const fs::path& from, int fd) {
  struct stat status {};
  if (::stat(from.c_str(), &status) != 0) return;
  // Giving a file away takes privileges; without them it is ours, as any file that we make.
  [[maybe_unused]] const int given = ::fchown(fd, status.st_uid, status.st_gid);
  ::fchmod(fd, status.st_mode & 07777);
}

/// Pipes, devices and some network file systems know no fsync.
int fsync_error(int fd) {
  if (::fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP || errno == EROFS) return 0;
  return errno;
}

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

void fail_output(const std::string& where, const fs::path& path, const std::string&, int error) {
  throw DataError("[" + where + "] " + path.string() + " cannot be written (" + std::generic_category().message(error) +
                  "); check that its folder exists, is writable and has space");
}

OutputFile::OutputFile(fs::path path, std::string where, OutputFailure failure)
    : path_(std::move(path)), where_(std::move(where)), failure_(failure), target_(output_target(path_)) {
  open();
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutputFile::open() {
  using Kind = OutputTarget::Kind;
  const bool beside = target_.kind == Kind::file || target_.kind == Kind::directory;  // whose rename is refused
  if (const int error = access_error(target_); error != 0 && target_.kind != Kind::directory) fail(kCannotWrite, error);
  if (beside) return open_beside();
  do {
    if (target_.kind == Kind::descriptor) {
      fd_ = ::fcntl(target_.descriptor, F_DUPFD_CLOEXEC, 3);
    } else if (target_.kind == Kind::socket) {
      fd_ = connect_socket(target_.path);
    } else {
      fd_ = ::open(target_.path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
    }
  } while (fd_ < 0 && errno == EINTR);
  if (fd_ < 0) fail("cannot be opened", errno);
}

void OutputFile::open_beside() {
  fd_ = open_temporary(target_.folder(), temporary_);
  if (fd_ < 0) fail(no_temporary(target_.folder()), errno);
  if (target_.exists) copy_permissions(target_.path, fd_);
}

void OutputFile::write(std::span<const std::byte> bytes) {
  if (buffer_.size() + bytes.size() > kBufferSize) put_buffer();
  if (bytes.size() > kBufferSize) return put(bytes);
  buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void OutputFile::write(std::string_view text) { write(bytes_of(text)); }

void OutputFile::put_buffer() {
  put(bytes_of(buffer_));
  buffer_.clear();
}

void OutputFile::put(std::span<const std::byte> bytes) {
  constexpr std::size_t kLargestWrite = std::size_t{1} << 30;
  while (!bytes.empty()) {
    const auto written = ::write(fd_, bytes.data(), std::min(bytes.size(), kLargestWrite));
    if (written >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {  // a pipe that somebody else made non-blocking is full
      pollfd ready{.fd = fd_, .events = POLLOUT, .revents = 0};
      ::poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      fail(kCannotWrite, errno);
    }
  }
}

void OutputFile::commit(Flush flush) {
  put_buffer();
  if (flush == Flush::now) {
    if (const int error = fsync_error(fd_); error != 0) fail("cannot be flushed to the disk", error);
  }
  if (::close(std::exchange(fd_, -1)) != 0) fail("cannot be closed", errno);
  if (temporary_.empty()) return;
  if (std::rename(temporary_.c_str(), target_.path.c_str()) != 0) fail("cannot be put in place", errno);
  temporary_.clear();
  if (flush == Flush::now) sync_folder();
}

void OutputFile::sync_folder() const {
  const int folder = ::open(target_.folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;  // one that may be written and not read; the rename itself has happened
  const int error = fsync_error(folder);
  ::close(folder);
  if (error != 0) fail("its directory cannot be flushed to the disk", error);
}

void OutputFile::fail(const std::string& action, int error) const {
  failure_(where_, path_, action, error);
  fail_output(where_, path_, action, error);  // for a failure that throws nothing
}

void write_output(const fs::path& path, const std::string& where, std::span<const std::byte> bytes, Flush flush) {
  OutputFile file(path, where);
  file.write(bytes);
  file.commit(flush);
}

void write_output(const fs::path& path, const std::string& where, std::string_view text, Flush flush) {
  write_output(path, where, bytes_of(text), flush);
}

void append_output(const fs::path& path, const std::string& where, std::string_view text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) fail_output(where, path, kCannotWrite, errno);
  int error = 0;
  while (!text.empty() && error == 0) {
    const auto written = ::write(fd, text.data(), text.size());
    if (written >= 0) text.remove_prefix(static_cast<std::size_t>(written));
    if (written < 0 && errno != EINTR) error = errno;
  }
  if (::close(fd) != 0 && error == 0) error = errno;
  if (error != 0) fail_output(where, path, kCannotWrite, error);
}

void check_writable(const fs::path& path, const std::string& where) {
  const OutputTarget target = output_target(path);
  if (const int error = access_error(target); error != 0) fail_output(where, path, kCannotWrite, error);
  if (target.kind != OutputTarget::Kind::file) return;
  if (!target.path.has_filename()) fail_output(where, path, kCannotWrite, EISDIR);
  struct stat status {};
  if (::stat(target.folder().c_str(), &status) != 0) fail_output(where, path, kCannotWrite, errno);
  check_writable_folder(target.folder(), where);
}

void check_writable_folder(const fs::path& folder, const std::string& where) {
  std::error_code ignored;
  fs::path there = fs::absolute(folder, ignored);
  while (!fs::exists(fs::symlink_status(there, ignored)) && there.has_relative_path()) there = there.parent_path();
  fs::path temporary;
  const int fd = open_temporary(there, temporary);
  if (fd < 0) fail_output(where, folder, no_temporary(there), errno);
  ::close(fd);
  ::unlink(temporary.c_str());
}

void make_output_folder(const fs::path& folder, const std::string& where) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail_output(where, folder, "cannot be made", error.value());
  check_writable_folder(folder, where);
}

}  // namespace retentive
