#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include <datasets/coco.h>
#include <datasets/files.h>

#include <nlohmann/json.hpp>

namespace retentive::testing {

inline void write_text(const std::filesystem::path& path, const std::string& text) { std::ofstream(path) << text; }

/// Three images, two categories, objects with every kind of mask and with none.
inline nlohmann::json coco_truth() {
  return nlohmann::json::parse(R"({
    "info": {"year": 2017, "deep": [[[[[[1]]]]]]},
    "annotations": [
      {"id": 5, "image_id": 20, "category_id": 7, "bbox": [1.5, 2, 3, 4], "area": 6.5, "iscrowd": 0,
       "segmentation": [[1.5, 2, 4.5, 2, 4.5, 6], [1, 1, 2, 2]]},
      {"id": 6, "image_id": 10.0, "category_id": 3, "iscrowd": 1, "segmentation": {"size": [4, 5], "counts": [4, 8, 8]}},
      {"id": 7, "image_id": 10, "category_id": 3, "bbox": [-2, 1, 5, 20]},
      {"id": 8, "image_id": 10, "category_id": 7, "bbox": [4.5, 1, 5, 2], "segmentation": []},
      {"id": 9, "image_id": 10, "category_id": 7, "bbox": [1, 1, 2, 2], "segmentation": {"size": [4, 5], "counts": "578"}}
    ],
    "licenses": [{"id": 1}],
    "images": [{"id": 20, "file_name": "b.png", "height": 8, "width": 9},
               {"id": 10, "file_name": "sub/a.png", "height": 4, "width": 5},
               {"id": 30, "file_name": "c.png", "height": 50, "width": 40}],
    "categories": [{"id": 7, "name": "seven", "supercategory": "odd"}, {"id": 3, "name": "three"}]})");
}

inline datasets::CocoAnnotations read_coco_json(const nlohmann::json& value) {
  const TemporaryFolder folder;
  write_text(folder / "gt.json", value.dump());
  return datasets::read_coco(folder / "gt.json");
}

}  // namespace retentive::testing
