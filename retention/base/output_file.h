#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include <retention/base/export.h>
#include <retention/base/output_target.h>

namespace retentive {

/// Throws the error of whoever writes: `action` ("cannot be written") failed for `path` with the system's `error`.
using OutputFailure = void (*)(const std::string& where, const std::filesystem::path& path, const std::string& action,
                               int error);

/// DataError "[where] path cannot be written (reason); ...".
[[noreturn]] RETENTIVE_API void fail_output(const std::string& where, const std::filesystem::path& path,
                                            const std::string& action, int error);

/// How a finished file reaches the disk: `now` waits for it, which hundreds of pictures should not.
enum class Flush { now, later };

/// An output. A regular file appears whole under its path at commit(), or not at all: it is written beside its place
/// under a name that goes away with the object. A link is followed and the file that it leads to replaced, which keeps
/// its permissions. Devices, pipes, sockets and /dev/stdout are written to as they are.
/// All functions throw what `failure` throws, DataError by default.
class RETENTIVE_API OutputFile {
 public:
  OutputFile(std::filesystem::path path, std::string where, OutputFailure failure = fail_output);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  void commit(Flush flush = Flush::now);

 private:
  void open();
  void open_beside();
  void put(std::span<const std::byte> bytes);
  void put_buffer();
  void sync_folder() const;
  [[noreturn]] void fail(const std::string& action, int error) const;

  std::filesystem::path path_;
  std::string where_;
  OutputFailure failure_;
  OutputTarget target_;
  std::filesystem::path temporary_;
  std::string buffer_;
  int fd_ = -1;
};

/// A whole output in one call. Throws DataError.
RETENTIVE_API void write_output(const std::filesystem::path& path, const std::string& where,
                                std::span<const std::byte> bytes, Flush flush = Flush::now);
RETENTIVE_API void write_output(const std::filesystem::path& path, const std::string& where, std::string_view text,
                                Flush flush = Flush::now);

/// Adds to the end of a file, which is made when it is missing. Throws DataError.
RETENTIVE_API void append_output(const std::filesystem::path& path, const std::string& where, std::string_view text);

/// Throws DataError unless `path` can be written. Leaves, truncates and waits for nothing.
RETENTIVE_API void check_writable(const std::filesystem::path& path, const std::string& where);

/// Throws DataError unless files can be made in the folder, or the folder itself where it is missing.
RETENTIVE_API void check_writable_folder(const std::filesystem::path& folder, const std::string& where);

/// Makes a folder where there is none. Throws DataError when it cannot be made or written to.
RETENTIVE_API void make_output_folder(const std::filesystem::path& folder, const std::string& where);

}  // namespace retentive
