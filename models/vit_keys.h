#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <models/checkpoint.h>
#include <models/state_dict.h>
#include <retention/base/export.h>
#include <vision/vir.h>

namespace retentive::models {

/// The side of a square of that many; 0 when there is none.
RETENTIVE_API int64_t square_side(int64_t count);

/// Brings the tensors of a timm ViT into the form of VirImpl with mixer attention. timm puts the class token first and
/// gives it the first row of the position table; attention does not see the order, so the token comes last here and
/// that row becomes part of it: the logits stay the same. A table of one row more than a square tells such a file;
/// tensors of other models are left as they are.
RETENTIVE_API void to_native_vit_keys(NamedTensors& tensors);

/// Whether these are the weights of a ViT, timm's or this library's.
RETENTIVE_API bool is_vit(const NamedTensors& tensors);

/// Starts a ViR from the weights of a ViT: attention's projections become retention's, a position table of another
/// square is resampled, layer scales that the ViT does not have become 1. What does not fit keeps its values. Gives
/// what was left out or changed, one line each.
/// Throws CheckpointError when the ViT has another width, so that no block fits; InvalidArgument when `model` is no
/// ViR with mixer retention.
RETENTIVE_API std::vector<std::string> start_from_vit(vision::VirImpl& model, const Checkpoint& checkpoint);

}  // namespace retentive::models
