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

/// The two sets of a run; both have the same classes.
struct RunData {
  std::shared_ptr<const datasets::Dataset> train;
  std::shared_ptr<const datasets::Dataset> validation;
};

/// Opens a labelled set: an idx3 file with its idx1 `labels` and `classes` (mnist), or a folder of class folders.
/// Throws DataError naming the file.
RETENTIVE_API std::shared_ptr<const datasets::Dataset> open_dataset(DataKind kind, const std::filesystem::path& path,
                                                                    const std::filesystem::path& labels = {},
                                                                    const std::vector<std::string>& classes = {});

/// Opens both sets of a run; without a validation set, a part of the training set chosen by `seed` is kept for it.
/// Throws DataError, also when the two sets have different classes or a part would be empty.
RETENTIVE_API RunData open_run_data(const DataSection& data, uint64_t seed);

/// For every class of `dataset`, the model's class: by name where all names are among `model_labels`, else by position.
/// Throws DataError when neither is possible.
RETENTIVE_API std::vector<int64_t> match_classes(const datasets::Dataset& dataset,
                                                 const std::vector<std::string>& model_labels, int64_t num_classes);

}  // namespace retentive::models
