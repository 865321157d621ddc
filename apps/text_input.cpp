#include <apps/text_input.h>

#include <fstream>
#include <iostream>
#include <iterator>

#include <retention/base/error.h>

namespace retentive::apps {

std::string read_standard_input() { return {std::istreambuf_iterator<char>(std::cin), {}}; }

std::string read_text_input(const std::string& path, const std::string& where) {
  if (path == "-") return read_standard_input();
  std::ifstream file(path, std::ios::binary);
  if (!file) throw DataError("[" + where + "] " + path + " cannot be read; give the path of a text file");
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace retentive::apps
