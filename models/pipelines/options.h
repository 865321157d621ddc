#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <retention/base/enum_names.h>
#include <retention/base/export.h>

namespace retentive::models {

/// Number type of weights and products in inference. Only fp32 runs so far; the others are refused by name.
enum class Precision { fp32, bf16, int8, int4 };

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

/// Throws InvalidArgument naming the option for threads < 0 or max_pixels < 1, Unsupported naming what is there for
/// a precision that does not run yet. `where` names the caller.
RETENTIVE_API void check_options(const PipelineOptions& options, std::string_view where);

}  // namespace retentive::models

template <>
struct retentive::EnumNames<retentive::models::Precision> {
  using E = retentive::models::Precision;
  static constexpr std::array<std::pair<E, std::string_view>, 4> table = {
      {{E::fp32, "fp32"}, {E::bf16, "bf16"}, {E::int8, "int8"}, {E::int4, "int4"}}};
};
