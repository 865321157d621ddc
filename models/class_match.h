#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <retention/base/export.h>

namespace retentive::models {

/// What a person says of classes whose names differ: for a class of the model the set's name of it, or nothing for a
/// class of either that is left out.
using ClassMap = std::map<std::string, std::optional<std::string>>;

/// Reads a class map: a JSON object {"model's name": "set's name", "left out": null}, or lines of two names with a tab
/// or comma between, the second empty for a class that is left out. Throws DataError or ConfigError naming the place.
RETENTIVE_API ClassMap read_class_map(const std::filesystem::path& path);

struct ClassMatchOptions {
  std::string where;      ///< who asks, for messages: "eval detect"
  std::string set;        ///< file or folder of the set, for messages
  std::string flag = {};  ///< what takes a class map, for messages: "--class-map FILE"; empty = nothing does
  ClassMap map = {};
  std::vector<bool> used = {};  ///< classes of the set that have an example; empty = all
  bool one_to_one = false;      ///< refuse several classes of the model for one of the set
};

/// How the classes of a model and of a set stand for each other.
struct ClassMatch {
  static constexpr int64_t kNone = -1;

  std::vector<int64_t> set_class;    ///< for each class of the model, that of the set, or kNone
  std::vector<int64_t> model_class;  ///< for each class of the set, that of the model (the first of several), or kNone
  std::vector<bool> left_out;        ///< classes of the set that the map leaves out
  std::vector<std::string> notes;
};

/// Matches classes by name, through the map where it has an entry. Classes that the set lacks are none; those that the
/// model lacks are refused, unless they have no example. A model without names is matched by position, with a note.
/// Throws DataError listing every name that does not match with the nearest one.
RETENTIVE_API ClassMatch match_classes(const std::vector<std::string>& model_names, int64_t num_classes,
                                       const std::vector<std::string>& set_names, const ClassMatchOptions& options);

}  // namespace retentive::models
