#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <datasets/dataset.h>
#include <datasets/image_id.h>
#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::datasets {

/// One annotated object of an image. Its mask is `polygons`, or `rle`, or there is none.
struct ObjectAnnotation {
  vision::Box box;
  int64_t label = 0;   ///< index into class_names()
  bool crowd = false;  ///< a region of many objects, which neither trains nor counts against a detector
  double area = 0;     ///< square pixels of the mask, as annotated
  std::vector<std::vector<double>> polygons;  ///< x0 y0 x1 y1 ... of each closed outline
  std::optional<vision::RleMask> rle;
};

/// One image with its objects.
struct DetectionSample {
  Image image;
  std::vector<ObjectAnnotation> objects;
  ImageId image_id;
  std::string name;  ///< the path of the file
};

/// A set of images with annotated objects. All members are const and may be called from several threads at once.
class RETENTIVE_API DetectionDataset {
 public:
  virtual ~DetectionDataset();
  virtual int64_t size() const = 0;
  /// The sample at 0 <= index < size(). Throws InvalidArgument beyond, DataError when its file cannot be read or has
  /// another size than annotated.
  virtual DetectionSample get(int64_t index) const = 0;
  /// [height, width] of an image, without reading it.
  virtual std::array<int64_t, 2> image_size(int64_t index) const = 0;
  virtual const std::vector<std::string>& class_names() const = 0;
};

}  // namespace retentive::datasets
