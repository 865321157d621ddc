#include <apps/own_page.h>

#include <fstream>
#include <iterator>
#include <system_error>

#include <retention/base/error.h>

namespace retentive::apps {

void check_own_page(const std::filesystem::path& page, const std::string& mark, const std::string& where) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(page, ignored)) return;
  std::ifstream file(page, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file && (text.empty() || text.find(mark) != std::string::npos)) return;
  throw DataError("[" + where + "] " + page.string() + " was not written by retentive " + where +
                  " and is kept; give another --out, or move it away");
}

}  // namespace retentive::apps
