#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <models/formats/tensor.h>
#include <retention/base/export.h>

namespace retentive::models::formats {

/// Text entries of a file's `__metadata__`.
using Metadata = std::map<std::string, std::string>;

/// A safetensors file, checked completely when opened and never copied: views point into the mapped file.
///
/// Every rule of the format is enforced: header of at most 100 MB that is a UTF-8 JSON object without duplicate keys,
/// element types of the format, byte ranges that start at 0, follow each other without hole or overlap and end at the
/// end of the file, shape times element size equal to each range. CheckpointError names file, tensor, value and fix.
class RETENTIVE_API SafetensorsFile {
 public:
  /// Maps a regular file read-only. The file must not be truncated or rewritten in place while mapped
  /// (write_safetensors() replaces it, which is safe). Throws CheckpointError.
  static SafetensorsFile open(const std::filesystem::path& path);

  /// Reads an image in memory that outlives the result, for example an embedded model; `name` stands for the path in
  /// messages. Throws CheckpointError.
  static SafetensorsFile from_bytes(std::span<const std::byte> bytes, std::string name);

  /// The path given to open(), or the name given to from_bytes().
  const std::string& name() const noexcept { return name_; }

  /// All tensors in the order of their data in the file; empty tensors at one offset in header order.
  const std::vector<TensorView>& tensors() const noexcept { return tensors_; }

  /// Tensors of element types that are not read (`C64`, `U16`, `F8_E4M3`, ...).
  const std::vector<SkippedTensor>& skipped() const noexcept { return skipped_; }

  /// The tensor of that name, or null.
  const TensorView* find(std::string_view tensor_name) const noexcept;

  const Metadata& metadata() const noexcept { return metadata_; }

  /// Keeps the bytes of every view alive after this object is gone; null for from_bytes().
  std::shared_ptr<const void> owner() const noexcept { return owner_; }

 private:
  SafetensorsFile() = default;

  std::string name_;
  std::shared_ptr<const void> owner_;
  std::vector<TensorView> tensors_;
  std::vector<SkippedTensor> skipped_;
  std::map<std::string, std::size_t, std::less<>> index_;
  Metadata metadata_;
};

/// Writes a safetensors file whole or not at all: temporary file in the same directory, fsync, rename, fsync of the
/// directory; nothing is left behind on failure.
///
/// Data is ordered by descending element size, keeping the given order among equals as the official writer does, so
/// that each tensor is aligned to its element size in the mapped file (the header is padded with spaces to 8 bytes).
/// Throws InvalidArgument for a duplicate, reserved or non-UTF-8 name, bytes that do not match the shape or metadata
/// that is not UTF-8; CheckpointError with the system's reason when the file cannot be written.
RETENTIVE_API void write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                                     const Metadata& metadata = {});

}  // namespace retentive::models::formats
