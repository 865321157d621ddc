#include <apps/drawing_folder.h>

#include <system_error>

#include <retention/base/error.h>

namespace retentive::apps {

namespace fs = std::filesystem;

DrawingFolder::DrawingFolder(std::string folder, const std::string& flag) : folder_(std::move(folder)) {
  if (folder_.empty()) return;
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) throw DataError("[" + folder_ + "] cannot be made: " + error.message() + "; choose another " + flag);
}

fs::path DrawingFolder::place(const fs::path& input, const std::string& ending) {
  auto name = input.stem().string();
  for (int number = 2; !taken_.insert(name).second; ++number) {
    name = input.stem().string() + "-" + std::to_string(number);
  }
  return fs::path(folder_) / (name + ending);
}

}  // namespace retentive::apps
