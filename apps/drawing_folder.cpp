#include <apps/drawing_folder.h>

#include <retention/base/output_file.h>

namespace retentive::apps {

namespace fs = std::filesystem;

std::string DrawingNames::next(const fs::path& input, const std::string& ending) {
  const auto stem = input.stem().string();
  auto name = stem;
  for (int number = 2; !taken_.insert(name).second; ++number) name = stem + "-" + std::to_string(number);
  return name + ending;
}

DrawingFolder::DrawingFolder(const std::string& folder, const std::string& where) : folder_(folder) {
  if (wanted()) make_output_folder(folder_, where);
}

fs::path DrawingFolder::place(const fs::path& input, const std::string& ending) {
  return folder_ / names_.next(input, ending);
}

}  // namespace retentive::apps
