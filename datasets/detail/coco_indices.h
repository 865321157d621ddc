#pragma once

#include <datasets/coco.h>

namespace retentive::datasets::detail {

/// InvalidArgument "[where] ..." unless every annotation is of an image and a category of the set.
void check_indices(const CocoAnnotations& set, const char* where);

}  // namespace retentive::datasets::detail
