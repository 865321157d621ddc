#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <datasets/composites.h>
#include <datasets/mnist.h>

namespace retentive::datasets::detail {

/// An object cut out of its picture.
struct Cutout {
  Image colour;        ///< RGB times alpha; empty for a stroke, which is yet to be coloured
  Image alpha;         ///< grey: 255 = opaque
  int64_t longer = 0;  ///< pixels of the longer side of what is at least half opaque
  bool stroke() const { return colour.pixels.empty(); }
};

/// One object or photograph.
struct CompositeSource {
  std::string name;
  std::filesystem::path file;
  const Mnist* digits = nullptr;  ///< the source is digit `index` of it, otherwise `file`
  int64_t index = 0;
};

inline size_t byte_count(const Image& image) { return image.pixels.size(); }
inline size_t byte_count(const Cutout& cutout) { return cutout.colour.pixels.size() + cutout.alpha.pixels.size(); }

/// Decoded pictures by path, kept until their bytes reach a limit; those beyond are decoded each time.
template <class Picture>
class PictureCache {
 public:
  template <class Load>
  std::shared_ptr<const Picture> get(const std::filesystem::path& path, Load&& load) {
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = kept_.find(path); found != kept_.end()) return found->second;
    }
    auto picture = std::make_shared<const Picture>(load());
    const size_t bytes = byte_count(*picture);
    const std::lock_guard lock(mutex_);
    if (bytes_ + bytes <= kLimit && kept_.emplace(path, picture).second) bytes_ += bytes;
    return picture;
  }

 private:
  static constexpr size_t kLimit = size_t{1} << 29;
  std::mutex mutex_;
  std::map<std::filesystem::path, std::shared_ptr<const Picture>> kept_;
  size_t bytes_ = 0;
};

/// Tells whether a source has the same bytes as one that was asked about before; a file is read only when another has
/// its size.
class ByteIdentity {
 public:
  bool seen_before(const CompositeSource& source);

 private:
  struct Group {
    std::optional<CompositeSource> unread;
    std::set<uint64_t> hashes;
  };
  std::map<uintmax_t, Group> groups_;  // by number of bytes
};

/// The sources of all splits, each in one split only.
class CompositeSources {
 public:
  CompositeSources(const CompositeInputs& inputs, const CompositeOptions& options);

  const std::vector<std::string>& class_names() const { return class_names_; }
  const std::vector<std::string>& duplicates() const { return duplicates_; }
  const std::vector<CompositeSource>& objects(int split, int64_t label) const { return objects_[label][split]; }
  const std::vector<CompositeSource>& photos(int split) const { return photos_[split]; }

  std::shared_ptr<const Cutout> cutout(const CompositeSource& source) const;
  std::shared_ptr<const Image> photo(const CompositeSource& source) const;

 private:
  using Sources = std::vector<CompositeSource>;
  using Split = std::array<Sources, 3>;

  void list_cutouts(const std::filesystem::path& root);
  void list_photos(const std::filesystem::path& root);
  void list_digit_folder(const std::filesystem::path& root);
  void list_digit_files(const std::filesystem::path& images, const std::filesystem::path& labels);
  void add_classes(std::vector<std::string> names);
  bool wanted(int split) const { return options_.images[split] > 0; }
  bool is_split(const std::filesystem::path& root) const;
  Split split(Sources sources, uint64_t stream, const std::string& what);
  Split given_split(const std::filesystem::path& root, const std::string& below, bool cutouts, const std::string& what);
  Split checked(Split parts, const std::string& what);
  void drop_duplicates(Sources& sources);

  CompositeOptions options_;
  std::vector<std::string> class_names_;
  std::vector<Split> objects_;  // [class]
  Split photos_;
  ByteIdentity identity_;
  std::vector<std::string> duplicates_;
  std::vector<std::unique_ptr<Mnist>> digits_;
  mutable PictureCache<Cutout> cutouts_read_;
  mutable PictureCache<Image> photos_read_;
};

/// A cut-out from RGB and alpha of the same size, cut to what is not transparent and scaled down to `longest`.
/// Throws DataError naming it when nothing of it is at least half opaque.
Cutout trim_cutout(const Image& colour, const Image& alpha, int64_t longest, const std::string& name);

}  // namespace retentive::datasets::detail
