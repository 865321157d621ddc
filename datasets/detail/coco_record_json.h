#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <datasets/image_id.h>
#include <datasets/rle.h>

#include <nlohmann/json.hpp>

namespace retentive::datasets::detail {

/// One element of a list in a COCO file; every reading function throws DataError
/// "[coco] <file>: <section>[<index>] (id <id>): ..." when the value is not what it should be.
class CocoRecord {
 public:
  CocoRecord(const std::string& file, const std::string& section, int64_t index, const nlohmann::json& value);

  /// The value of a key; null when it is missing, null or an empty list.
  const nlohmann::json* find(const char* key) const;
  int64_t integer(const char* key) const;
  double number(const char* key) const;
  std::string text(const char* key) const;
  ImageId image_id(const char* key) const;
  /// "bbox", if there is one.
  std::optional<CocoBox> box() const;
  /// "segmentation": fills one of the two, or none when there is none.
  void segmentation(std::vector<std::vector<double>>& polygons, std::optional<RleMask>& rle) const;

  /// `accepted` says what would do.
  [[noreturn]] void refuse(const char* key, const std::string& accepted) const;
  [[noreturn]] void fail(const std::string& what) const;

 private:
  std::vector<std::vector<double>> polygon_list(const nlohmann::json& value) const;
  RleMask runs(const nlohmann::json& value) const;
  std::vector<uint32_t> count_list(const nlohmann::json& value) const;

  const std::string& file_;
  const std::string& section_;
  int64_t index_;
  const nlohmann::json& value_;
};

/// Reads a JSON file front to back with one element in memory at a time and calls `visit` for each element of the
/// `sections`, lists in the object that is the file, or of the list that is the file when no sections are named.
/// Throws DataError for what is no such file.
void read_coco_records(const std::filesystem::path& path, const std::vector<std::string>& sections,
                       const std::function<void(const std::string& section, const CocoRecord& record)>& visit);

/// An integer, also when written as 3.0 or as a boolean.
std::optional<int64_t> whole_number(const nlohmann::json& value);

/// What the id of an image is in a file.
nlohmann::json id_json(const ImageId& id);

/// What "segmentation" is in a file; null when there is no mask.
nlohmann::json segmentation_json(const std::vector<std::vector<double>>& polygons, const std::optional<RleMask>& rle);

}  // namespace retentive::datasets::detail
