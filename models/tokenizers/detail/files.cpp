#include <models/tokenizers/detail/files.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <span>
#include <system_error>

#include <models/formats/atomic_file.h>
#include <models/formats/message.h>

namespace retentive::models::detail {
namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  formats::fail_checkpoint("tokenizer", path.string(), what);
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  constexpr std::uintmax_t kLargest = std::uintmax_t{1} << 30;
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    fail(path, "does not exist; give a tokenizer.json, a SentencePiece model, or the word \"bytes\"");
  }
  if (std::filesystem::is_directory(status))
    fail(path, "is a directory; give the tokenizer.json or tokenizer.model in it");
  if (error || !std::filesystem::is_regular_file(status)) fail(path, "is no regular file that can be read");
  const auto size = std::filesystem::file_size(path, error);
  if (error || size > kLargest) fail(path, "is larger than 1 GiB, which no tokenizer is");
  std::ifstream file(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(file), {}};
  if (!file || content.size() != size) fail(path, "cannot be read; check its permissions and the disk");
  return content;
}

void write_file(const std::filesystem::path& path, std::string_view content) {
  formats::AtomicFile file(path);
  file.write(std::as_bytes(std::span(content.data(), content.size())));
  file.commit();
}

std::string to_base64(std::string_view bytes) {
  std::string result;
  result.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const auto byte = [&](std::size_t i) {
      return at + i < bytes.size() ? std::uint32_t{static_cast<unsigned char>(bytes[at + i])} : 0;
    };
    const std::uint32_t group = byte(0) << 16 | byte(1) << 8 | byte(2);
    const std::size_t digits = std::min<std::size_t>(bytes.size() - at, 3) + 1;
    for (std::size_t i = 0; i < 4; ++i) result += i < digits ? kDigits[group >> (18 - 6 * i) & 63] : '=';
  }
  return result;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  std::string result;
  result.reserve(text.size() / 4 * 3 + 3);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const auto digit = kDigits.find(c);
    if (digit == kDigits.npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    result += static_cast<char>(bits >> count & 0xFF);
  }
  return result;
}

}  // namespace retentive::models::detail
