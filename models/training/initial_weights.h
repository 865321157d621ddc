#pragma once

#include <string>
#include <vector>

#include <vision/detection/detector.h>

namespace retentive::models {

/// Starts a detector of these classes from a weights file: that of a detector with the same backbone, where what does
/// not fit of pyramid and heads is left fresh and outputs are matched by class name, or that of a classifier with the
/// same backbone, whose head is left out. Returns what was left out or fresh, one line each. Throws CheckpointError
/// when the backbone does not fit.
std::vector<std::string> load_detector_weights(vision::DetectorImpl& detector, const std::string& path,
                                               const std::vector<std::string>& classes);

}  // namespace retentive::models
