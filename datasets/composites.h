#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <datasets/detection_dataset.h>
#include <retention/base/export.h>

namespace retentive::datasets {

/// The parts of a data set of composites, in this order everywhere.
inline constexpr std::array<const char*, 3> kCompositeSplits = {"train", "val", "test"};

/// What composites are made from: photographs, and one kind of objects (`cutouts`, or `digits`, or both idx files).
/// A folder that itself holds the folders train, val and test (digits: the files train-, val- and t1k-) is taken as
/// split already; every other source is split by the seed.
struct CompositeInputs {
  std::filesystem::path cutouts;       ///< folder of class/NAME.png with an alpha channel
  std::filesystem::path digits;        ///< folder of {train,val,t1k}-{images-idx3,labels-idx1}-ubyte[.gz]
  std::filesystem::path digit_images;  ///< idx3 file; the grey value is the coverage of a coloured stroke
  std::filesystem::path digit_labels;  ///< idx1 file
  std::filesystem::path backgrounds;   ///< folder of photographs
};

/// How composites look. Sizes are pixels, shares 0 to 1, ranges [min, max].
struct CompositeOptions {
  uint64_t seed = 0;
  std::array<int64_t, 3> images = {1000, 100, 100};
  std::array<double, 3> shares = {0.8, 0.1, 0.1};
  std::array<int64_t, 2> height = {256, 256};
  std::array<int64_t, 2> width = {320, 320};
  std::array<int64_t, 2> objects = {1, 6};
  std::array<double, 2> scale = {0.12, 0.5};
  double rotation = 15;
  double flip = 0;
  double jitter = 0.25;
  double max_overlap = 0.3;
  double min_visible = 0.5;
  double truncation = 0.15;
  double feather = 0.6;
  double contrast = 0.45;
  double outline = 0.4;
  double background_crop = 0.4;
  double background_flip = 0.5;
  double background_jitter = 0.25;
  int64_t background_size = 1024;
  std::string format = "jpg";
  int64_t quality = 90;

  /// Calls f(name, member, help) for every field, in order.
  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("seed", self.seed, "the same seed, sources and options make the same files");
    f("images", self.images, "number of images [train, val, test]; 0 leaves a split out");
    f("shares", self.shares, "parts of the sources of each split [train, val, test], where none is given");
    f("height", self.height, "pixels of an image [min, max]");
    f("width", self.width, "pixels of an image [min, max]");
    f("objects", self.objects, "objects in an image [min, max]; fewer where no more find a place");
    f("scale", self.scale, "longer side of an object as a part of the image's shorter side [min, max], log-uniform");
    f("rotation", self.rotation, "largest rotation in degrees, either way");
    f("flip", self.flip, "probability of mirroring an object left and right");
    f("jitter", self.jitter, "cut-outs: brightness, contrast and saturation factors are drawn from 1 -/+ this");
    f("max_overlap", self.max_overlap, "largest intersection over union of the boxes of two objects");
    f("min_visible", self.min_visible, "least share of an object that edges and later objects leave visible");
    f("truncation", self.truncation, "largest share of an object beyond the image's edge");
    f("feather", self.feather, "softness of an object's edge in pixels (sigma)");
    f("contrast", self.contrast, "digits: least difference in colour to what is around");
    f("outline", self.outline, "digits: probability of an outline where the background does not ask for one");
    f("background_crop", self.background_crop, "least side of the part of a photograph that is shown, of the largest");
    f("background_flip", self.background_flip, "probability of mirroring a photograph left and right");
    f("background_jitter", self.background_jitter, "photographs: as jitter");
    f("background_size", self.background_size, "photographs and cut-outs are scaled down to this longer side first");
    f("format", self.format, "jpg or png");
    f("quality", self.quality, "of jpg, 1 to 100");
  }
};

/// Throws ConfigError naming the first field that is out of range.
RETENTIVE_API void check_composites(const CompositeOptions& options);

/// File name of an image within its split: NNNNNN.jpg.
RETENTIVE_API std::string composite_name(const CompositeOptions& options, int64_t index);

/// Names of the objects and photographs that a split is made from, relative to the given folders or file.
struct CompositeLists {
  std::vector<std::string> objects;
  std::vector<std::string> backgrounds;
};

/// Scenes of objects put onto photographs, with boxes and masks. Objects are placed one after the other, later ones
/// before earlier ones; boxes and masks are those of the visible part. Image (split, index) depends on the seed, the
/// sources and the options alone. No source serves two splits, nor do two files of the same bytes.
class RETENTIVE_API Composites {
 public:
  /// Lists and splits the sources and reads the headers of all files. Throws ConfigError for options, DataError naming
  /// the file or class for sources that are missing, unreadable, without transparency, or fewer than the splits.
  Composites(const CompositeInputs& inputs, const CompositeOptions& options);
  Composites(Composites&&) noexcept;
  ~Composites();

  const CompositeInputs& inputs() const;
  const CompositeOptions& options() const;
  const std::vector<std::string>& class_names() const;
  /// Split 0, 1, 2 of kCompositeSplits; empty where it has no images.
  CompositeLists lists(int split) const;
  /// Sources that were left out because another has the same bytes.
  const std::vector<std::string>& duplicates() const;

  /// An image as [height, width, 3] with its objects (`rle`, `area`, tight `box`), image_id = index + 1 and its file
  /// name. May be called from several threads. Throws InvalidArgument unless 0 <= index < options().images[split],
  /// DataError naming a source file that cannot be decoded.
  DetectionSample make(int split, int64_t index) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// What was written, a split each.
struct CompositeSummary {
  std::array<int64_t, 3> images = {0, 0, 0};
  std::array<int64_t, 3> objects = {0, 0, 0};
};

struct CompositeWriting {
  int threads = 1;  ///< they do not change what is written
  bool force = false;
  std::function<void()> progress = {};  ///< called after each image, by one thread at a time
};

/// Throws DataError unless a set may be written to `out`, which holds nothing, or with `force` nothing but an earlier
/// set; InvalidArgument when a file that would be replaced or removed there is one of the sources.
RETENTIVE_API void check_composites_output(const CompositeInputs& inputs, const CompositeOptions& options,
                                           const std::filesystem::path& out, bool force);

/// Writes OUT/{train,val,test}/images/NNNNNN.jpg, OUT/annotations/{train,val,test}.json in COCO's format (category ids
/// from 1 in the order of class_names()), OUT/splits.json with the sources of each split and OUT/.retentive-files,
/// which lists them all. `force` replaces the files of that list. Throws as check_composites_output(), and DataError
/// when something cannot be written.
RETENTIVE_API CompositeSummary write_composites(const Composites& composites, const std::filesystem::path& out,
                                                const CompositeWriting& writing = {});

}  // namespace retentive::datasets
