#include <models/pipelines/default_model.h>

extern "C" {
extern const std::byte retentive_default_model_begin[] __attribute__((visibility("hidden")));
extern const std::byte retentive_default_model_end[] __attribute__((visibility("hidden")));
}

namespace retentive::models {

std::span<const std::byte> default_model_bytes() noexcept {
  return {retentive_default_model_begin, retentive_default_model_end};
}

}  // namespace retentive::models
