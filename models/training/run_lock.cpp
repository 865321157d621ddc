#include <models/training/run_lock.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <optional>
#include <utility>

#include <models/config_json.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

namespace fs = std::filesystem;

struct Owner {
  int64_t process = 0;
  std::string host;
  std::string boot;

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("process", self.process, "id of the process");
    f("host", self.host, "name of the machine");
    f("boot", self.boot, "id of the machine's start, the same in all its containers");
  }
};

std::string text_of(const Owner& owner) {
  if (owner.process <= 0) return "another process";
  return "process " + std::to_string(owner.process) + (owner.host.empty() ? "" : " on " + owner.host);
}

Owner this_process() {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  Owner owner{::getpid(), host.data(), {}};
  std::ifstream("/proc/sys/kernel/random/boot_id") >> owner.boot;
  return owner;
}

// Nothing for an empty file: its owner had no time to write.
std::optional<Owner> read_owner(int fd, const fs::path& path) {
  std::array<char, 4096> text{};
  const auto length = ::pread(fd, text.data(), text.size(), 0);
  if (length <= 0) return std::nullopt;
  Owner owner;
  try {
    const std::string_view json(text.data(), static_cast<size_t>(length));
    read_json_fields(parse_json(json, path.string()), owner, path.string());
  } catch (const ConfigError&) {
    return Owner{};
  }
  return owner;
}

// Whether a lock of `owner` would be seen here: containers share the machine, and a machine keeps its name.
bool is_local(const Owner& owner) {
  const auto here = this_process();
  return owner.host.empty() || owner.host == here.host || owner.boot == here.boot;
}

bool is_alive(const Owner& owner) {
  return owner.process > 0 && (::kill(static_cast<pid_t>(owner.process), 0) == 0 || errno == EPERM);
}

bool is_there(int fd, const fs::path& path) {
  struct stat ours {
  }, there{};
  return ::fstat(fd, &ours) == 0 && ::lstat(path.c_str(), &there) == 0 && ours.st_ino == there.st_ino &&
         ours.st_dev == there.st_dev;
}

[[noreturn]] void refuse(const fs::path& path, const std::optional<Owner>& owner, const std::string& why) {
  const auto who = text_of(owner.value_or(Owner{}));
  throw StateError("[train] \"" + path.parent_path().string() + "\" is in use by " + who + why +
                   "; one run at a time trains in an output_dir; wait for it or stop it, or give another --output" +
                   (why.empty() ? "" : "; when no run is there, delete \"" + path.string() + "\""));
}

[[noreturn]] void cannot_write(const fs::path& path) {
  const auto reason = std::error_code(errno, std::generic_category()).message();
  throw DataError("[train] cannot write \"" + path.string() + "\" (" + reason +
                  "); a writable folder is needed; change run.output_dir, or delete the file when it is of a run of "
                  "somebody else that ended");
}

}  // namespace

RunLock::RunLock(const fs::path& folder) : path_(folder / "run.lock") {
  while (!try_open()) {
  }
  try {
    take_over();
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

RunLock::~RunLock() {
  if (is_there(fd_, path_)) ::unlink(path_.c_str());
  ::close(fd_);
}

// False when the file must be opened again: its owner removed it before it was locked, or it was a stranger's.
bool RunLock::try_open() {
  fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  const bool strange = fd_ < 0 && errno == EACCES;
  if (strange) fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd_ < 0) cannot_write(path_);
  const int error = ::flock(fd_, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
  const auto owner = read_owner(fd_, path_);
  const bool there = is_there(fd_, path_), local = !owner || is_local(*owner);
  // A file system without such locks leaves only the text to go by.
  const bool held = error == EWOULDBLOCK || (error != 0 && owner && is_alive(*owner));
  if (there && local && !held && !strange && error != EINTR) return true;
  ::close(std::exchange(fd_, -1));
  if (!local) refuse(path_, owner, ", and whether it still runs cannot be seen from here");
  if (held) refuse(path_, owner, error == EWOULDBLOCK ? "" : " as it seems");
  if (strange && there && ::unlink(path_.c_str()) != 0) cannot_write(path_);
  return false;
}

void RunLock::take_over() {
  if (const auto owner = read_owner(fd_, path_)) {
    note_ =
        "took over \"" + path_.parent_path().string() + "\" from " + text_of(*owner) + ", which ended without a word";
  }
  const auto text = to_json_value(this_process()).dump() + "\n";
  if (::ftruncate(fd_, 0) != 0 || ::pwrite(fd_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    cannot_write(path_);
  }
}

}  // namespace retentive::models
