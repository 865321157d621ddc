#include <retention/base/output_folder.h>

#include <algorithm>
#include <fstream>
#include <system_error>
#include <utility>

#include <retention/base/error.h>
#include <retention/base/output_file.h>

namespace retentive {

namespace fs = std::filesystem;

namespace {

constexpr const char* kList = ".retentive-files";

/// A path that stays below the folder it is relative to.
bool is_below(const fs::path& name) {
  return name.is_relative() && !name.empty() && std::find(name.begin(), name.end(), "..") == name.end();
}

}  // namespace

OutputFolder::OutputFolder(fs::path path, std::string where) : path_(std::move(path)), where_(std::move(where)) {
  std::ifstream list(path_ / kList, std::ios::binary);
  for (std::string name; std::getline(list, name);) {
    if (is_below(name)) listed_.insert(fs::path(name).lexically_normal().string());
  }
  std::error_code error;
  const auto type = fs::status(path_, error).type();
  if (type == fs::file_type::directory) find_foreign(path_);
  if (type != fs::file_type::directory && type != fs::file_type::not_found) foreign_.push_back(".");
}

void OutputFolder::find_foreign(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().lexically_relative(path_).string();
    // A link is followed by nobody here: what it leads to was not written below this folder.
    if (!entry->is_symlink() && entry->is_directory()) {
      find_foreign(entry->path());
    } else if (listed_.contains(name)) {
      own_.push_back(entry->path());
    } else if (name != kList) {
      foreign_.push_back(name);
    }
  }
  if (error) throw DataError("[" + where_ + "] " + folder.string() + " cannot be listed (" + error.message() + ")");
}

void OutputFolder::check(bool replace) const {
  constexpr size_t kShown = 3;
  if (!foreign_.empty() && replace) {
    std::string names;
    for (size_t i = 0; i < std::min(kShown, foreign_.size()); ++i) names += (i > 0 ? ", " : "") + foreign_[i];
    const size_t more = foreign_.size() - std::min(kShown, foreign_.size());
    if (more > 0) names += " and " + std::to_string(more) + " more";
    throw DataError("[" + where_ + "] " + path_.string() + " holds what was not written by this command (" + names +
                    "), and only its own files are replaced; give another folder, or move them away");
  }
  if (!replace && !(foreign_.empty() && own_.empty())) {
    throw DataError("[" + where_ + "] " + path_.string() +
                    " is not an empty folder; give another, or replace what this command wrote there with force");
  }
}

void OutputFolder::clear() {
  std::error_code error;
  for (const fs::path& file : own_) {
    if (!fs::remove(file, error) && error) fail_output(where_, file, "cannot be removed", error.value());
    // The root stays, it may be a link or somebody's working directory.
    for (fs::path folder = file.parent_path(); folder != path_; folder = folder.parent_path()) {
      if (!fs::remove(folder, error)) break;
    }
  }
  own_.clear();
}

void OutputFolder::begin(const std::vector<std::string>& names, bool replace) {
  check(replace);
  make_output_folder(path_, where_);
  clear();
  std::string list;
  for (const std::string& name : names) list += name + "\n";
  write_output(path_ / kList, where_, list);
  std::set<fs::path> folders;
  for (const std::string& name : names) folders.insert((path_ / name).parent_path());
  for (const fs::path& folder : folders) make_output_folder(folder, where_);
}

}  // namespace retentive
