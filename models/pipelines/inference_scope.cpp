#include <ATen/Parallel.h>

#include <models/pipelines/detail/inference_scope.h>

namespace retentive::models {

InferenceScope::InferenceScope(int64_t threads) {
  if (threads == 0) return;
  previous_ = at::get_num_threads();
  at::set_num_threads(static_cast<int>(threads));
}

InferenceScope::~InferenceScope() {
  if (previous_ > 0) at::set_num_threads(previous_);
}

}  // namespace retentive::models
