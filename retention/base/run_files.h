#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <retention/base/export.h>
#include <retention/base/output_target.h>

namespace retentive {

/// What a run is going to read and write, to be checked before it does either. An output that is an input, or another
/// output, is refused whatever it is called: by device and inode, through links and other spellings.
class RETENTIVE_API RunFiles {
 public:
  /// `where` names the command in messages.
  explicit RunFiles(std::string where);

  /// A file, or the files of a folder without those of folders in it; "-" is standard input, "" nothing.
  RunFiles& read(const std::filesystem::path& path);
  template <class Paths>
  RunFiles& read_all(const Paths& paths) {
    for (const auto& path : paths) read(path);
    return *this;
  }

  /// A file to write; "" is nothing. Throws DataError unless it can be written, InvalidArgument when another output is
  /// the same file. `flag` is what names it on the command line.
  RunFiles& write(const std::string& flag, const std::filesystem::path& path);

  /// Files to write below a folder, which may still be missing; throws likewise.
  RunFiles& write_below(const std::string& flag, const std::filesystem::path& folder,
                        const std::vector<std::string>& names);

  /// Throws InvalidArgument naming an output that is also an input.
  void check() const;

 private:
  void add_output(const std::string& flag, const std::filesystem::path& path);
  void check_file(const std::filesystem::path& path) const;

  std::string where_;
  std::vector<std::filesystem::path> inputs_;
  std::map<FileId, std::string> outputs_;
};

}  // namespace retentive
