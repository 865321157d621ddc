#pragma once

#include <string>

#include <models/retnet.h>
#include <retention/base/export.h>
#include <vision/vir.h>

namespace retentive::models {

/// A hash of an unprepared model: SHA-256 over what its configuration says of the function that it computes, and the
/// names, types and shapes of its tensors and an even sample of up to 64 KiB of each one's bytes, so that it costs
/// little for billions of parameters. Two models that differ in a tensor as a whole, as trained models do, have
/// different hashes. Throws StateError for a prepared model.
RETENTIVE_API std::string model_hash(const RetnetImpl& model);
RETENTIVE_API std::string model_hash(const vision::VirImpl& model);

}  // namespace retentive::models
