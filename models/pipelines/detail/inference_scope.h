#pragma once

#include <cstdint>

#include <torch/torch.h>

namespace retentive::models {

/// Inference mode and a thread count for the calling thread, until destroyed. `threads` 0 leaves the count alone.
class InferenceScope {
 public:
  explicit InferenceScope(int64_t threads);
  ~InferenceScope();
  InferenceScope(const InferenceScope&) = delete;
  InferenceScope& operator=(const InferenceScope&) = delete;

 private:
  c10::InferenceMode mode_;
  int previous_ = 0;
};

}  // namespace retentive::models
