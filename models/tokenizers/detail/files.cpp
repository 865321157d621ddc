#include <models/tokenizers/detail/files.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <system_error>

#include <models/formats/message.h>
#include <retention/base/output_file.h>

namespace retentive::models::detail {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  formats::fail_checkpoint("tokenizer", path.string(), what);
}

}  // namespace

std::string read_file(const std::filesystem::path& path, const std::string& wanted) {
  constexpr std::uintmax_t kLargest = std::uintmax_t{1} << 30;
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    fail(path, "does not exist; give " + wanted);
  }
  if (std::filesystem::is_directory(status)) fail(path, "is a directory; give " + wanted);
  if (error || !std::filesystem::is_regular_file(status))
    fail(path, "is no regular file that can be read; give " + wanted);
  const auto size = std::filesystem::file_size(path, error);
  if (error || size > kLargest) fail(path, "is larger than 1 GiB; split it, or give " + wanted);
  std::ifstream file(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), {}};
  if (!file || content.size() != size) fail(path, "cannot be read; check its permissions and the disk");
  return content;
}

void write_file(const std::filesystem::path& path, std::string_view content) {
  OutputFile file(path, "write", formats::fail_write);
  file.write(content);
  file.commit();
}

}  // namespace retentive::models::detail
