#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <retention/base/export.h>

namespace retentive {

/// A folder that a program fills and may clear again. The list `.retentive-files` in it names what was written there,
/// so that nothing else is ever removed.
class RETENTIVE_API OutputFolder {
 public:
  /// Reads the list, if there is one.
  OutputFolder(std::filesystem::path path, std::string where);

  /// Files of the list that are there.
  const std::vector<std::filesystem::path>& own() const { return own_; }

  /// Throws DataError naming what is in the way: anything without `replace`, else anything that is not own().
  void check(bool replace) const;

  /// Removes own() and the folders that this leaves empty, then lists `names`, paths below the folder that are to be
  /// written, and makes their folders. Throws as check(), and DataError when something cannot be removed or made.
  void begin(const std::vector<std::string>& names, bool replace);

 private:
  void clear();
  void find_foreign(const std::filesystem::path& folder);

  std::filesystem::path path_;
  std::string where_;
  std::vector<std::filesystem::path> own_;
  std::set<std::string> listed_;
  std::vector<std::string> foreign_;
};

}  // namespace retentive
