#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include <torch/torch.h>

#include <models/retnet.h>
#include <retention/base/export.h>

namespace retentive::models::detail {

/// Logits [B, T, V], float, of hidden vectors [B, T, C] that the model has just made, `state` being the one after them.
/// Every step of every way to generate or score passes here. Throws StateError naming the step when a logit is NaN or
/// infinite; `where` stands for the caller.
RETENTIVE_API torch::Tensor logits_of(RetnetImpl& model, const torch::Tensor& features, const RetentionState& state,
                                      const char* where);

/// Makes these tokens impossible in logits [..., V].
RETENTIVE_API void ban(torch::Tensor& logits, const std::vector<int64_t>& tokens);

/// What a call feeds: the state's pending tokens, then the prompt.
RETENTIVE_API std::vector<int64_t> pending_and(const RetentionState& state, std::span<const int64_t> prompt);

inline bool holds(const std::vector<int64_t>& tokens, int64_t token) {
  return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
}

}  // namespace retentive::models::detail
