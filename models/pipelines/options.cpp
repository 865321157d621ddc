#include <models/pipelines/options.h>

#include <retention/base/error.h>

namespace retentive::models {

void check_options(const PipelineOptions& options, std::string_view where, bool language) {
  const auto prefix = std::string("[").append(where).append("] ");
  if (options.threads < 0) {
    throw InvalidArgument(prefix + "threads is " + std::to_string(options.threads) +
                          "; a count of at least 1 is accepted, or 0 for all cores");
  }
  if (options.max_pixels < 1) {
    throw InvalidArgument(prefix + "max_pixels is " + std::to_string(options.max_pixels) +
                          "; a limit of at least 1 pixel is accepted");
  }
  if (options.precision == Precision::int4 && !language) {
    throw Unsupported(prefix + "precision int4 is for language models; use fp32, bf16 or int8");
  }
}

}  // namespace retentive::models
