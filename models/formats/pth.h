#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include <models/formats/pickle.h>
#include <models/formats/tensor.h>
#include <models/formats/zip.h>
#include <retention/base/export.h>

namespace retentive::models::formats {

/// A contiguous tensor together with what keeps its bytes alive.
struct OwnedTensor {
  TensorView view;
  std::shared_ptr<const void> owner;  ///< mapped file or gathered copy; null when the bytes were given by the caller
};

/// A checkpoint written by torch.save in the zip format (`.pth`, `.pt`), read as data: no code in it ever runs.
/// Storages tagged with any device are read as CPU memory.
class RETENTIVE_API PthFile {
 public:
  /// Maps the file, reads its pickle and checks every tensor in it against its storage.
  /// Throws CheckpointError for a damaged, hostile or big-endian file; Unsupported for the formats of PyTorch before
  /// 1.6 and for TorchScript archives, with the way to re-save them.
  static PthFile open(const std::filesystem::path& path);

  /// Reads an image in memory that outlives the result; `name` stands for the path in messages.
  static PthFile from_bytes(std::span<const std::byte> bytes, std::string name);

  const std::string& name() const noexcept { return archive_.name(); }

  /// What was given to torch.save.
  const PickleValue& root() const noexcept { return root_; }

  /// The elements of a tensor of root(), in the file itself where they are contiguous, else gathered into a copy.
  /// Verifies the checksum of the storage. Throws CheckpointError.
  OwnedTensor contiguous(const PickleTensor& tensor, std::string tensor_name) const;

  const ZipArchive& archive() const noexcept { return archive_; }

 private:
  explicit PthFile(ZipArchive archive);
  const ZipEntry& check_view(const PickleTensor& tensor) const;

  ZipArchive archive_;
  std::string prefix_;
  PickleValue root_;
};

}  // namespace retentive::models::formats
