#include <retention/base/run_files.h>

#include <system_error>
#include <utility>

#include <retention/base/error.h>
#include <retention/base/output_file.h>

namespace retentive {

namespace fs = std::filesystem;

namespace {
constexpr const char* kStandardOutput = "standard output";
}

RunFiles::RunFiles(std::string where) : where_(std::move(where)) {
  // Results on standard output would be lost in a file that another output replaces.
  if (const auto id = file_id("/dev/stdout")) outputs_.emplace(*id, kStandardOutput);
}

RunFiles& RunFiles::read(const fs::path& path) {
  if (!path.empty()) inputs_.push_back(path == "-" ? fs::path("/dev/stdin") : path);
  return *this;
}

RunFiles& RunFiles::write(const std::string& flag, const fs::path& path) {
  if (path.empty()) return *this;
  check_writable(path, where_);
  add_output(flag, path);
  return *this;
}

RunFiles& RunFiles::write_below(const std::string& flag, const fs::path& folder,
                                const std::vector<std::string>& names) {
  if (folder.empty()) return *this;
  check_writable_folder(folder, where_);
  std::error_code ignored;
  for (const std::string& name : names) {
    const fs::path path = folder / name;
    if (fs::exists(fs::symlink_status(path, ignored))) check_writable(path, where_);
    add_output(flag, path);
  }
  return *this;
}

void RunFiles::add_output(const std::string& flag, const fs::path& path) {
  const auto id = output_id(path);
  if (!id) return;
  const std::string name = flag + " " + path.string();
  const auto [other, added] = outputs_.emplace(*id, name);
  if (added) return;
  throw InvalidArgument("[" + where_ + "] " + name + " and " + other->second +
                        " are the same file; give each a file of its own");
}

void RunFiles::check() const {
  for (const fs::path& input : inputs_) {
    std::error_code error;
    if (!fs::is_directory(input, error)) {
      check_file(input);
      continue;
    }
    for (fs::directory_iterator entry(input, error), end; !error && entry != end; entry.increment(error)) {
      check_file(entry->path());
    }
  }
}

void RunFiles::check_file(const fs::path& path) const {
  const auto id = file_id(path);
  const auto output = id ? outputs_.find(*id) : outputs_.end();
  if (output == outputs_.end() || output->second == kStandardOutput) return;
  throw InvalidArgument("[" + where_ + "] " + output->second + " is the same file as " + path.string() +
                        ", which is read; give another name");
}

}  // namespace retentive
