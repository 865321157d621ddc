#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <retention/base/export.h>
#include <retention/base/precision.h>

namespace retentive::models {

using retentive::Precision;

/// How a pipeline runs its model.
struct PipelineOptions {
  /// Threads of one call; 0 = as many as OpenMP gives.
  int64_t threads = 0;
  Precision precision = Precision::fp32;
  /// Images with more pixels than this are refused before any decoding.
  int64_t max_pixels = 64'000'000;
  /// Registry name of a weights file that does not say what it is; must agree with a file that does.
  std::string model;
};

/// Throws InvalidArgument naming the option for threads < 0 or max_pixels < 1, Unsupported for int4 unless the caller,
/// which `where` names, runs language models.
RETENTIVE_API void check_options(const PipelineOptions& options, std::string_view where, bool language = false);

}  // namespace retentive::models
