#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <cli/program.h>
#include <models/formats/safetensors.h>

namespace retentive::testing {

/// A named float32 tensor of a safetensors file.
struct Array {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> values;
};

/// `counters` become int64 scalars of 0.
inline void write_arrays(const std::filesystem::path& path, const std::vector<Array>& arrays,
                         const std::vector<std::string>& counters = {}) {
  using models::formats::DType;
  const int64_t zero = 0;
  std::vector<models::formats::TensorView> views;
  for (const auto& name : counters) views.push_back({name, DType::i64, {}, std::as_bytes(std::span(&zero, 1))});
  for (const auto& array : arrays) {
    views.push_back({array.name, DType::f32, array.shape, std::as_bytes(std::span(array.values))});
  }
  models::formats::write_safetensors(path, views);
}

/// `retentive forward` on the tensors of `in`.
inline ProcessResult run_forward(const std::vector<std::string>& flags, const std::filesystem::path& in,
                                 const std::filesystem::path& out) {
  std::vector<std::string> arguments = {"forward", "--inputs", in.string(), "--outputs", out.string()};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return retentive_program(arguments);
}

}  // namespace retentive::testing
