#include <models/formats/message.h>

#include <system_error>

#include <retention/base/error.h>

namespace retentive::models::formats {

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kLongest = 120;
  constexpr char kHex[] = "0123456789abcdef";
  std::string result = "'";
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      result += c;
    } else {
      result += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return result + (text.size() > kLongest ? "...'" : "'");
}

void fail_checkpoint(std::string_view where, std::string_view file, const std::string& what) {
  throw CheckpointError("[" + std::string(where) + "] " + std::string(file) + ": " + what);
}

void fail_write(const std::string& where, const std::filesystem::path& path, const std::string& action, int error) {
  fail_checkpoint(where, path.string(),
                  action + " (" + errno_text(error) + "); give a path in an existing, writable directory with space");
}

std::string errno_text(int error) { return std::generic_category().message(error); }

}  // namespace retentive::models::formats
