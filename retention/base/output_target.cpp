#include <retention/base/output_target.h>

#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <system_error>

namespace retentive {

namespace fs = std::filesystem;

namespace {

fs::path folder_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

/// N of /proc/self/fd/N, in any spelling; -1 for other paths.
int descriptor_of(const fs::path& path) {
  const std::string name = path.filename().string();
  int number = -1;
  const auto end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end || number < 0) return -1;
  std::error_code error;
  const fs::path folder = fs::canonical(folder_of(path), error);
  if (error || folder != fs::canonical("/proc/self/fd", error) || error) return -1;
  return number;
}

OutputTarget::Kind kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return OutputTarget::Kind::directory;
  if (S_ISSOCK(mode)) return OutputTarget::Kind::socket;
  return S_ISREG(mode) ? OutputTarget::Kind::file : OutputTarget::Kind::device;
}

}  // namespace

fs::path OutputTarget::folder() const { return folder_of(path); }

OutputTarget output_target(const fs::path& path) {
  constexpr int kMostLinks = 40;
  OutputTarget target;
  target.path = path;
  for (int links = 0; links <= kMostLinks; ++links) {
    target.descriptor = descriptor_of(target.path);
    std::error_code error;
    if (target.descriptor >= 0 || !fs::is_symlink(target.path, error)) break;
    const fs::path next = fs::read_symlink(target.path, error);
    if (error || next.empty()) break;
    target.path = next.is_absolute() ? next : target.folder() / next;
  }
  struct stat status {};
  target.exists = ::stat(target.path.c_str(), &status) == 0;
  if (!target.exists && errno != ENOENT) target.error = errno;
  if (target.exists) target.kind = kind_of(status.st_mode);
  if (target.descriptor >= 0) target.kind = OutputTarget::Kind::descriptor;
  return target;
}

bool replaces_file(const fs::path& path) {
  const OutputTarget target = output_target(path);
  return target.exists && target.kind == OutputTarget::Kind::file;
}

std::optional<FileId> file_id(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return FileId{static_cast<uint64_t>(status.st_dev), static_cast<uint64_t>(status.st_ino), {}};
}

std::optional<FileId> output_id(const fs::path& path) {
  const OutputTarget target = output_target(path);
  if (target.kind != OutputTarget::Kind::file) return std::nullopt;
  if (target.exists) return file_id(target.path);
  std::error_code error;
  return FileId{0, 0, fs::weakly_canonical(fs::absolute(target.path, error), error).string()};
}

}  // namespace retentive
