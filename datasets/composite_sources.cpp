#include <algorithm>
#include <set>

#include <datasets/detail/composite_sources.h>
#include <datasets/image_folder.h>
#include <datasets/image_header.h>
#include <datasets/resize.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kPhotoStream = ~uint64_t{0} - 1;
constexpr std::array<const char*, 3> kIdxPrefixes = {"train", "val", "t1k"};

[[noreturn]] void fail(const std::string& what) { throw DataError("[composites] " + what); }

[[noreturn]] void fail_opaque(const fs::path& path) {
  fail(path.string() +
       " has no alpha channel; cut-outs are PNG, WebP or TIFF with transparency: erase what is around the object and "
       "save it as PNG");
}

CompositeSource file_source(const fs::path& path, const fs::path& root) {
  return {path.lexically_relative(root).generic_string(), path, nullptr, 0};
}

/// Reads the headers, so that no file turns out to be unusable late for what its first bytes tell.
std::vector<CompositeSource> list_files(const fs::path& folder, const fs::path& root, bool cutouts) {
  std::vector<CompositeSource> sources;
  for (const fs::path& path : list_images(folder)) {
    const ImageHeader header = read_image_header(path);
    const bool opaque = header.format == ImageFormat::jpeg || header.format == ImageFormat::pnm || header.channels == 3;
    if (cutouts && opaque) fail_opaque(path);
    sources.push_back(file_source(path, root));
  }
  return sources;
}

std::vector<std::string> folders_of(const fs::path& root) {
  std::vector<std::string> names;
  for (const auto& folder : list_folders(root)) names.push_back(folder.filename().string());
  return names;
}

fs::path idx_file(const fs::path& folder, const std::string& stem) {
  const fs::path plain = folder / stem;
  return fs::exists(plain) ? plain : folder / (stem + ".gz");
}

Image scaled_down(const Image& image, int64_t longest) {
  const int64_t longer = std::max(image.height, image.width);
  if (longer <= longest) return image;
  const auto side = [&](int64_t pixels) { return std::max<int64_t>(1, (pixels * longest + longer / 2) / longer); };
  return resize(image, side(image.height), side(image.width), vision::Interpolation::bicubic);
}

/// The smallest window of what is at least `least`.
Window opaque_window(const Image& alpha, uint8_t least) {
  int64_t top = alpha.height, left = alpha.width, bottom = 0, right = 0;
  for (int64_t y = 0; y < alpha.height; ++y) {
    for (int64_t x = 0; x < alpha.width; ++x) {
      if (alpha.pixels[y * alpha.width + x] < least) continue;
      top = std::min(top, y), left = std::min(left, x), bottom = y + 1, right = std::max(right, x + 1);
    }
  }
  return {top, left, std::max<int64_t>(0, bottom - top), std::max<int64_t>(0, right - left)};
}

int64_t solid_side(const Image& alpha) {
  const Window solid = opaque_window(alpha, 128);
  return std::max(solid.height, solid.width);
}

[[noreturn]] void fail_empty(const std::string& name) {
  fail(name + " has no pixel that is at least half opaque; remove it or replace it");
}

}  // namespace

Cutout trim_cutout(const Image& colour, const Image& alpha, int64_t longest, const std::string& name) {
  const Window window = opaque_window(alpha, 1);
  if (window.height == 0) fail_empty(name);
  Cutout cutout{crop(colour, window), crop(alpha, window), 0};
  for (size_t i = 0; i < cutout.colour.pixels.size(); ++i) {
    cutout.colour.pixels[i] = static_cast<uint8_t>((cutout.colour.pixels[i] * cutout.alpha.pixels[i / 3] + 127) / 255);
  }
  cutout.colour = scaled_down(cutout.colour, longest);
  cutout.alpha = scaled_down(cutout.alpha, longest);
  cutout.longer = solid_side(cutout.alpha);
  if (cutout.longer == 0) fail_empty(name);
  return cutout;
}

CompositeSources::CompositeSources(const CompositeInputs& inputs, const CompositeOptions& options) : options_(options) {
  const bool files = !inputs.digit_images.empty() || !inputs.digit_labels.empty();
  if (!inputs.cutouts.empty() + !inputs.digits.empty() + files != 1 ||
      inputs.digit_images.empty() != inputs.digit_labels.empty()) {
    throw ConfigError(
        "[composites] one kind of objects is needed: a folder of cut-outs, or a folder of digits, or both an idx3 "
        "file of images and an idx1 file of labels");
  }
  if (!inputs.cutouts.empty()) list_cutouts(inputs.cutouts);
  if (!inputs.digits.empty()) list_digit_folder(inputs.digits);
  if (files) list_digit_files(inputs.digit_images, inputs.digit_labels);
  if (inputs.backgrounds.empty()) {
    throw ConfigError("[composites] a folder of photographs is needed as backgrounds");
  }
  list_photos(inputs.backgrounds);
}

bool CompositeSources::is_split(const fs::path& root) const {
  for (int split = 0; split < 3; ++split) {
    if (wanted(split) && !fs::is_directory(root / kCompositeSplits[split])) return false;
  }
  return true;
}

void CompositeSources::add_classes(std::vector<std::string> names) {
  class_names_ = std::move(names);
  objects_.resize(class_names_.size());
}

void CompositeSources::list_cutouts(const fs::path& root) {
  const bool given = is_split(root);
  std::set<std::string> names;
  for (int split = 0; split < 3; ++split) {
    if (!wanted(split)) continue;
    const auto found = folders_of(given ? root / kCompositeSplits[split] : root);
    names.insert(found.begin(), found.end());
  }
  if (names.empty()) fail(root.string() + " holds no class folders; class/NAME.png is expected");
  add_classes({names.begin(), names.end()});
  for (size_t label = 0; label < class_names_.size(); ++label) {
    const std::string what = "class " + class_names_[label] + " of " + root.string();
    objects_[label] = given ? given_split(root, class_names_[label], true, what)
                            : split(list_files(root / class_names_[label], root, true), label, what);
  }
}

CompositeSources::Split CompositeSources::given_split(const fs::path& root, const std::string& below, bool cutouts,
                                                      const std::string& what) {
  Split parts;
  for (int split = 0; split < 3; ++split) {
    const fs::path folder = root / kCompositeSplits[split] / below;
    if (wanted(split) && fs::is_directory(folder)) parts[split] = list_files(folder, root, cutouts);
  }
  return checked(std::move(parts), what);
}

void CompositeSources::list_photos(const fs::path& root) {
  const std::string what = "the folder of photographs " + root.string();
  photos_ =
      is_split(root) ? given_split(root, "", false, what) : split(list_files(root, root, false), kPhotoStream, what);
}

void CompositeSources::list_digit_folder(const fs::path& root) {
  for (int split = 0; split < 3; ++split) {
    if (!wanted(split)) continue;
    const std::string prefix = kIdxPrefixes[split];
    const fs::path images = idx_file(root, prefix + "-images-idx3-ubyte");
    digits_.push_back(std::make_unique<Mnist>(images, idx_file(root, prefix + "-labels-idx1-ubyte")));
    if (class_names_.empty()) add_classes(digits_.back()->class_names());
    for (int64_t i = 0; i < digits_.back()->size(); ++i) {
      const std::string name = images.filename().string() + "#" + std::to_string(i);
      objects_[digits_.back()->label(i)][split].push_back({name, images, digits_.back().get(), i});
    }
  }
  for (size_t label = 0; label < objects_.size(); ++label) {
    objects_[label] = checked(std::move(objects_[label]), "digit " + class_names_[label] + " of " + root.string());
  }
}

void CompositeSources::list_digit_files(const fs::path& images, const fs::path& labels) {
  digits_.push_back(std::make_unique<Mnist>(images, labels));
  const Mnist& set = *digits_.back();
  add_classes(set.class_names());
  std::vector<Sources> of_class(class_names_.size());
  for (int64_t i = 0; i < set.size(); ++i) {
    of_class[set.label(i)].push_back({images.filename().string() + "#" + std::to_string(i), images, &set, i});
  }
  for (size_t label = 0; label < objects_.size(); ++label) {
    const std::string what = "digit " + class_names_[label] + " of " + images.string();
    objects_[label] = split(std::move(of_class[label]), label, what);
  }
}

std::shared_ptr<const Cutout> CompositeSources::cutout(const CompositeSource& source) const {
  if (source.digits) {
    Cutout stroke{{}, source.digits->get(source.index).image, 0};
    stroke.longer = solid_side(stroke.alpha);
    if (stroke.longer == 0) fail_empty(source.name);
    return std::make_shared<const Cutout>(std::move(stroke));
  }
  return cutouts_read_.get(source.file, [&] {
    const TransparentImage image = decode_transparent_image(source.file);
    if (!image.has_alpha) fail_opaque(source.file);
    return trim_cutout(image.colour, image.alpha, options_.background_size, source.file.string());
  });
}

std::shared_ptr<const Image> CompositeSources::photo(const CompositeSource& source) const {
  return photos_read_.get(source.file,
                          [&] { return scaled_down(decode_image(source.file), options_.background_size); });
}

}  // namespace retentive::datasets::detail
