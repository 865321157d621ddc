#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <datasets/detection_dataset.h>
#include <datasets/image_header.h>
#include <datasets/image_id.h>
#include <datasets/image_io.h>
#include <datasets/rle.h>
#include <retention/base/export.h>

namespace retentive::datasets {

struct CocoImage {
  ImageId id;
  int64_t height = 0;  ///< 0 with width 0 when the file does not say
  int64_t width = 0;
  std::string file_name;  ///< relative to the folder of images, with `/` between folders
};

struct CocoCategory {
  int64_t id = 0;
  std::string name;
  std::string supercategory;
};

/// One annotated object. Its mask is `polygons`, or `rle`, or there is none.
struct CocoAnnotation {
  int64_t id = 0;
  int64_t image = 0;  ///< index into CocoAnnotations::images
  int64_t label = 0;  ///< index into CocoAnnotations::categories
  CocoBox box = {};
  double area = 0;  ///< square pixels of the mask
  bool crowd = false;
  std::vector<std::vector<double>> polygons;  ///< x0 y0 x1 y1 ... of each closed outline
  std::optional<RleMask> rle;
};

/// The contents of an annotation file.
struct CocoAnnotations {
  std::string name;  ///< of the file, for messages
  std::vector<CocoImage> images;
  std::vector<CocoCategory> categories;  ///< by ascending id, so that a label is a category's rank among the ids
  std::vector<CocoAnnotation> annotations;
};

struct CocoReadOptions {
  bool masks =
      true;  ///< false: "segmentation" is looked at only where there is no box; a missing area is then the box's
};

/// Reads an annotation file ("images", "categories", "annotations"). A missing area is that of the mask as runs, else
/// of the box; a missing box is that around the runs; outlines of less than three points hold nothing and are dropped;
/// backslashes in file names become slashes.
/// Throws DataError naming the file, the entry with its id and the fix for anything damaged or contradictory: ids that
/// repeat or that nothing has, wrong types, negative sizes, runs that do not fill their image.
RETENTIVE_API CocoAnnotations read_coco(const std::filesystem::path& path, const CocoReadOptions& options = {});

/// Writes an annotation file; it appears whole or not at all. Throws InvalidArgument for indices out of range or ids
/// that repeat, DataError when it cannot be written.
RETENTIVE_API void write_coco(const std::filesystem::path& path, const CocoAnnotations& annotations);

/// The mask of an annotation on an image of [height, width], outlines filled; nothing when it has none.
RETENTIVE_API std::optional<RleMask> annotation_mask(const CocoAnnotation& annotation, int64_t height, int64_t width);

/// One entry of a results file; `polygons` and `rle` as of CocoAnnotation.
struct CocoResult {
  ImageId image_id;
  int64_t category_id = 0;
  double score = 0;
  std::optional<CocoBox> box;
  std::vector<std::vector<double>> polygons;
  std::optional<RleMask> rle;
};

/// Reads a results file: a list of {"image_id", "category_id", "score", "bbox" and/or "segmentation"}.
/// Throws DataError as read_coco does; whether the ids exist is found on evaluation.
RETENTIVE_API std::vector<CocoResult> read_coco_results(const std::filesystem::path& path,
                                                        const CocoReadOptions& options = {});

/// Writes a results file; it appears whole or not at all. Throws InvalidArgument for values that are not finite,
/// DataError when it cannot be written.
RETENTIVE_API void write_coco_results(const std::filesystem::path& path, std::span<const CocoResult> results);

struct CocoDatasetOptions {
  bool skip_empty = false;  ///< leave out images without objects (crowds count as objects), as for training
  int64_t min_size = 0;     ///< leave out images with a side of fewer pixels; 32 is usual for training
  DecodeOptions decode = {};
};

/// Throws DataError when an image of this size and EXIF orientation is not what was annotated, naming the way out where
/// the annotations fit the image as it is stored. An annotated image without a size fits any.
RETENTIVE_API void check_annotated_size(const CocoImage& annotated, const std::string& path, const ImageHeader& header,
                                        bool ignore_orientation);

/// The annotated images of a folder. Boxes are clipped to their image; objects of which less than a pixel each way is
/// left, or of no area, are dropped. Labels are ranks of the category ids.
class RETENTIVE_API CocoDataset final : public DetectionDataset {
 public:
  /// Throws what read_coco throws, and DataError for an image of unknown size or when no image is left.
  CocoDataset(const std::filesystem::path& annotations, std::filesystem::path images,
              const CocoDatasetOptions& options = {});
  CocoDataset(CocoAnnotations annotations, std::filesystem::path images, const CocoDatasetOptions& options = {});

  int64_t size() const override;
  DetectionSample get(int64_t index) const override;
  std::array<int64_t, 2> image_size(int64_t index) const override;
  const std::vector<std::string>& class_names() const override;

  /// Ids of the categories by label, for results files.
  const std::vector<int64_t>& category_ids() const { return category_ids_; }
  /// Id of an image, without reading it.
  const ImageId& image_id(int64_t index) const;
  /// The files of the images, in order.
  std::vector<std::filesystem::path> files() const;

 private:
  struct Entry {
    CocoImage image;
    std::vector<ObjectAnnotation> objects;
  };

  const Entry& entry(int64_t index) const;

  std::filesystem::path folder_;
  DecodeOptions decode_;
  std::vector<Entry> entries_;
  std::vector<std::string> class_names_;
  std::vector<int64_t> category_ids_;
};

}  // namespace retentive::datasets
