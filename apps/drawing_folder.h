#pragma once

#include <filesystem>
#include <set>
#include <string>

namespace retentive::apps {

/// Where drawings go: names of their own for inputs of one name.
class DrawingFolder {
 public:
  /// Makes the folder that the value of `flag` names; empty = none. Throws DataError when it cannot be made.
  DrawingFolder(std::string folder, const std::string& flag);

  bool wanted() const { return !folder_.empty(); }

  /// A path in the folder: the input's name without its extension, with a number if it was given before, and `ending`.
  std::filesystem::path place(const std::filesystem::path& input, const std::string& ending);

 private:
  std::string folder_;
  std::set<std::string> taken_;
};

}  // namespace retentive::apps
