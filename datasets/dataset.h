#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <retention/base/export.h>
#include <vision/structures.h>

namespace retentive::datasets {

using vision::Image;

struct Sample {
  Image image;
  int64_t label = 0;
  std::string name;  ///< the path of the file, or the file and index within it
};

/// A labelled set of images. All members are const and may be called from several threads at once.
class RETENTIVE_API Dataset {
 public:
  virtual ~Dataset();
  virtual int64_t size() const = 0;
  /// The sample at 0 <= index < size(). Throws InvalidArgument beyond, DataError when its file cannot be read.
  virtual Sample get(int64_t index) const = 0;
  /// The label of a sample without its pixels; same errors as `get`.
  virtual int64_t label(int64_t index) const = 0;
  virtual const std::vector<std::string>& class_names() const = 0;
  /// The files that it consists of, in a fixed order; none for a set that is in memory alone.
  virtual std::vector<std::filesystem::path> files() const;

 protected:
  /// Throws InvalidArgument, naming `where`, unless 0 <= index < size().
  void check_index(int64_t index, const char* where) const;
};

}  // namespace retentive::datasets
