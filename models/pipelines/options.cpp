#include <models/pipelines/options.h>

#include <retention/base/error.h>

namespace retentive::models {

void check_options(const PipelineOptions& options, std::string_view where) {
  const auto prefix = std::string("[").append(where).append("] ");
  if (options.threads < 0) {
    throw InvalidArgument(prefix + "threads is " + std::to_string(options.threads) +
                          "; a count of at least 1 is accepted, or 0 for all cores");
  }
  if (options.max_pixels < 1) {
    throw InvalidArgument(prefix + "max_pixels is " + std::to_string(options.max_pixels) +
                          "; a limit of at least 1 pixel is accepted");
  }
  if (options.precision != Precision::fp32) {
    throw Unsupported(prefix + "precision " + std::string(enum_name(options.precision)) +
                      " is not available in this version; use fp32");
  }
}

}  // namespace retentive::models
