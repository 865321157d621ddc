#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include <models/formats/tensor.h>
#include <models/state_dict.h>
#include <retention/base/export.h>

namespace retentive::models {

/// Element type of LibTorch for an element type of weights files, and back.
/// The second throws Unsupported for types that weights files do not hold (complex, quantised, ...).
RETENTIVE_API at::ScalarType scalar_type(formats::DType dtype);
RETENTIVE_API formats::DType file_dtype(at::ScalarType type);

/// A tensor over the bytes of `view`, kept alive by `owner`; copied only where the bytes are not aligned.
/// With an owner that maps a file read-only the result must not be written to.
RETENTIVE_API torch::Tensor to_torch(const formats::TensorView& view, std::shared_ptr<const void> owner);

/// Named tensors of any shape in a safetensors file, with its metadata.
struct TensorFile {
  NamedTensors tensors;  ///< in file order, mapped: not to be written to
  std::map<std::string, std::string> metadata;
};

/// Reads a safetensors file. Throws CheckpointError.
RETENTIVE_API TensorFile read_tensors(const std::filesystem::path& path);

/// Writes a safetensors file atomically; tensors may have any device layout or strides. Throws CheckpointError,
/// InvalidArgument for duplicate names, Unsupported for element types that the format does not have.
RETENTIVE_API void write_tensors(const std::filesystem::path& path, const NamedTensors& tensors,
                                 const std::map<std::string, std::string>& metadata = {});

}  // namespace retentive::models
