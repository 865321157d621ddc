#pragma once

#include <cstdint>
#include <string>

#include <models/config.h>
#include <models/retnet.h>
#include <models/state_dict.h>
#include <retention/base/export.h>
#include <vision/backbone.h>

namespace retentive::models {

/// Runs a vision model on the tensor `image`, float32 [B, C, H, W] and already normalised, and gives every output by
/// name, for comparison with other frameworks: `logits` [B, classes], `pooled` [B, P], `stage1`.. [B, C, h, w].
/// A model without head gives `stage<k>` for each of its out_indices, after its extra norm; a token-label model also
/// `cls_logits` [B, classes] and `aux_logits` [B, h*w, classes]. A ViR gives `features` [B, N + 1, C], its tokens after
/// the final norm, the class token last, and `logits`; it runs as its set_call() says.
/// `where` names the source of the inputs; `threads` 0 = as many as OpenMP gives. Throws InvalidArgument for other
/// names, element types or shapes.
RETENTIVE_API NamedTensors forward_image(vision::BackboneImpl& model, const ModelConfig& config,
                                         const NamedTensors& inputs, const std::string& where, int64_t threads = 0);

/// Runs a language model on the tensor `tokens`, int64 [B, T], and gives `logits` float32 [B, T, V]. Errors as above,
/// and what RetnetImpl::forward throws.
RETENTIVE_API NamedTensors forward_tokens(RetnetImpl& model, const NamedTensors& inputs, const std::string& where,
                                          const SequenceCall& call = {}, int64_t threads = 0);

}  // namespace retentive::models
