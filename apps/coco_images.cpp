#include <apps/coco_images.h>

#include <algorithm>
#include <functional>
#include <string>

#include <retention/base/error.h>

namespace retentive::apps {
namespace {

namespace fs = std::filesystem;

/// True when the parts of `end` are the last ones of `path`.
bool ends_with(const fs::path& path, const fs::path& end) {
  const auto parts = std::distance(path.begin(), path.end()), wanted = std::distance(end.begin(), end.end());
  return wanted <= parts && std::equal(end.begin(), end.end(), std::next(path.begin(), parts - wanted));
}

}  // namespace

CocoImages::CocoImages(const datasets::CocoAnnotations& truth) : truth_(truth) {
  for (const auto& image : truth.images) {
    const auto name = fs::path(image.file_name).lexically_normal();
    by_name_[name.filename()].push_back({name, &image});
  }
}

const datasets::CocoImage& CocoImages::find(const FoundImage& image) const {
  const auto found = by_name_.find(image.path.filename());
  const auto absolute = fs::absolute(image.path).lexically_normal();
  if (found == by_name_.end()) {
    throw DataError("[" + image.path.string() + "] is not among the images of " + truth_.name +
                    "; leave it out, or do without --annotations");
  }
  const bool named = image.folder.empty();
  const auto below = (named ? image.path : image.path.lexically_relative(image.folder)).lexically_normal();
  const std::function<bool(const fs::path&)> rules[] = {
      [&](const fs::path& name) { return name == below; },
      [&](const fs::path& name) { return ends_with(absolute, name); },
      [&](const fs::path& name) { return ends_with(name, below); },
      [&](const fs::path&) { return named; },
  };
  for (const auto& fits : rules) {
    std::vector<Entry> fitting;
    std::copy_if(found->second.begin(), found->second.end(), std::back_inserter(fitting),
                 [&](const Entry& entry) { return fits(entry.name); });
    if (fitting.size() == 1) return *fitting[0].image;
    if (fitting.empty()) continue;
    throw DataError("[" + image.path.string() + "] may be \"" + fitting[0].name.string() + "\" or \"" +
                    fitting[1].name.string() + "\" of " + truth_.name +
                    "; give the folder that these names are relative to");
  }
  throw DataError("[" + image.path.string() + "] is not among the images of " + truth_.name + ", which has \"" +
                  found->second[0].name.string() + "\"; give the folder that the names are relative to");
}

}  // namespace retentive::apps
