#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <datasets/dataset.h>
#include <models/training/run_config.h>
#include <retention/base/export.h>

namespace retentive::models {

/// The two sets of a run.
struct RunData {
  std::shared_ptr<const datasets::Dataset> train;
  std::shared_ptr<const datasets::Dataset> validation;
  std::vector<int64_t> validation_classes = {};  ///< of each class of `validation`, that of `train`; empty = the same
};

/// Opens a labelled set: an idx3 file with its idx1 `labels` and `classes` (mnist), or a folder of class folders.
/// Throws DataError naming the file.
RETENTIVE_API std::shared_ptr<const datasets::Dataset> open_dataset(DataKind kind, const std::filesystem::path& path,
                                                                    const std::filesystem::path& labels = {},
                                                                    const std::vector<std::string>& classes = {});

/// Opens both sets of a run; without a validation set, a part of the training set chosen by `seed` is kept for it.
/// Classes are matched by name. Throws DataError, also when the validation set has a class that the training set lacks
/// or a part would be empty.
RETENTIVE_API RunData open_run_data(const DataSection& data, uint64_t seed);

}  // namespace retentive::models
