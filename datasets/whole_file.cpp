#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <datasets/detail/whole_file.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {

WholeFile::WholeFile(std::filesystem::path path, std::string where) : path_(std::move(path)), where_(std::move(where)) {
  static std::atomic<unsigned> counter{0};
  // Short and independent of the final name, which may already have the longest length a file system takes.
  const std::string name = ".retentive-" + std::to_string(::getpid()) + "-" + std::to_string(counter++) + ".part";
  temporary_ = path_.parent_path() / name;
  file_ = std::fopen(temporary_.c_str(), "wbxe");
  if (!file_) {
    temporary_.clear();
    fail();
  }
}

WholeFile::~WholeFile() {
  if (file_) std::fclose(file_);
  std::error_code ignored;
  if (!temporary_.empty()) std::filesystem::remove(temporary_, ignored);
}

void WholeFile::write(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) fail();
}

void WholeFile::commit() {
  if (std::fflush(file_) != 0 || ::fsync(fileno(file_)) != 0) fail();
  if (std::fclose(std::exchange(file_, nullptr)) != 0) fail();
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail();
  temporary_.clear();
}

void WholeFile::fail() const {
  throw DataError("[" + where_ + "] " + path_.string() + " cannot be written (" +
                  std::system_category().message(errno) + "); check that its folder exists, is writable and has space");
}

}  // namespace retentive::datasets::detail
