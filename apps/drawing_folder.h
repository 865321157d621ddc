#pragma once

#include <filesystem>
#include <set>
#include <string>

namespace retentive::apps {

/// Names of drawings: one of its own for each input, also where inputs have one name. The same inputs in the same
/// order get the same names, so that a run knows before its beginning what it will write.
class DrawingNames {
 public:
  /// The input's name without its extension, with a number if it was given before, and `ending`.
  std::string next(const std::filesystem::path& input, const std::string& ending);

 private:
  std::set<std::string> taken_;
};

/// Where drawings go.
class DrawingFolder {
 public:
  /// Makes the folder; empty = none. `where` names the subcommand. Throws DataError when it cannot be made or written
  /// to.
  DrawingFolder(const std::string& folder, const std::string& where);

  bool wanted() const { return !folder_.empty(); }

  /// A path in the folder, named by DrawingNames.
  std::filesystem::path place(const std::filesystem::path& input, const std::string& ending);

 private:
  std::filesystem::path folder_;
  DrawingNames names_;
};

}  // namespace retentive::apps
