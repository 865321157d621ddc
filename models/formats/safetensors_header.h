#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <models/formats/safetensors.h>
#include <models/formats/tensor.h>

namespace retentive::models::formats {

/// Longest header the format allows, in bytes.
inline constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;

/// The reserved key of the header.
inline constexpr std::string_view kMetadataKey = "__metadata__";

/// An element type of the format that is not read.
struct ForeignType {
  std::string_view name = {};
  std::uint64_t bits = 0;
};

/// One tensor of a header; offsets count from the end of the header.
struct HeaderTensor {
  std::string name;
  DType dtype = DType::f32;
  ForeignType foreign;  ///< in place of dtype, when it has a name
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<HeaderTensor> tensors;  ///< in header order
  Metadata metadata;
};

/// Parses the JSON text; checks keys, types and structure but no byte range. Throws CheckpointError naming `file`.
SafetensorsHeader parse_safetensors_header(std::string_view text, const std::string& file);

}  // namespace retentive::models::formats
