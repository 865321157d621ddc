#include <apps/text_input.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include <retention/base/error.h>

namespace retentive::apps {

std::string read_standard_input() { return {std::istreambuf_iterator<char>(std::cin), {}}; }

std::string read_text_input(const std::string& path, const std::string& where) {
  if (path == "-") return read_standard_input();
  const auto fail = [&](const std::string& what) {
    throw DataError("[" + where + "] " + path + " " + what + "; give the path of a text file, or - for standard input");
  };
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) fail("is a directory");
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(std::string("cannot be opened (") + std::strerror(errno) + ")");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) fail("cannot be read to its end");
  return text;
}

}  // namespace retentive::apps
