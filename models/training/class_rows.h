#pragma once

#include <string>
#include <vector>

#include <models/checkpoint.h>
#include <retention/base/export.h>

namespace retentive::models {

/// Makes the class outputs of a weights file those of a model with other classes: rows of a class that both have, by
/// name, are the file's, all others the model's own. Returns what was done, one line; nothing for a file whose classes
/// are the same or have no names, which stays as it is.
RETENTIVE_API std::vector<std::string> match_class_rows(Checkpoint& checkpoint, const torch::nn::Module& model,
                                                        const std::vector<std::string>& classes);

}  // namespace retentive::models
