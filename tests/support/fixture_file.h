#pragma once

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <models/formats/safetensors.h>
#include <support/paths.h>
#include <nlohmann/json.hpp>

namespace retentive::testing {

inline std::string fixture_path(const std::string& name) { return source_dir() + "/tests/fixtures/" + name; }

inline nlohmann::json read_fixture_json(const std::string& name) {
  std::ifstream in(fixture_path(name));
  return nlohmann::json::parse(in);
}

/// The values of one tensor of a fixture, whose element size must be that of T.
template <class T>
std::vector<T> fixture_values(const models::formats::SafetensorsFile& file, const std::string& name) {
  const auto* view = file.find(name);
  if (view == nullptr) throw std::runtime_error("fixture " + file.name() + " has no tensor " + name);
  if (models::formats::item_size(view->dtype) != sizeof(T)) throw std::runtime_error(name + ": other element size");
  std::vector<T> values(view->bytes.size() / sizeof(T));
  std::memcpy(values.data(), view->bytes.data(), view->bytes.size());
  return values;
}

}  // namespace retentive::testing
