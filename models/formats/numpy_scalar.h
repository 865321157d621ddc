#pragma once

#include <string>

#include <models/formats/pickle_nodes.h>

namespace retentive::models::formats {

/// `numpy.dtype(text)`, where text is a kind and a size such as `f8`, with or without a byte-order sign.
NodeId make_numpy_dtype(PickleArena& arena, const std::string& text);

/// Takes the byte order out of a dtype's state, a tuple of version, order and more.
void build_numpy_dtype(PickleArena& arena, NodeId dtype, NodeId state);

/// `numpy.core.multiarray.scalar(dtype, bytes)` as bool, int or float; a skipped object for other kinds.
NodeId make_numpy_scalar(PickleArena& arena, NodeId dtype, NodeId content);

}  // namespace retentive::models::formats
