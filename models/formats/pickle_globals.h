#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <models/formats/pickle_nodes.h>
#include <models/formats/tensor.h>

namespace retentive::models::formats {

/// What a call of an allowed global makes of its arguments.
enum class GlobalUse : std::uint8_t {
  skipped,
  constant,
  storage,
  untyped_storage,
  torch_dtype,
  foreign_storage,
  foreign_dtype,
  dict,
  default_dict,
  list,
  tuple,
  bytes,
  encode,
  reconstruct,
  rebuild_tensor,
  rebuild_tensor_v3,
  rebuild_parameter,
  rebuild_from_type,
  rebuild_meta,
  rebuild_foreign,
  numpy_scalar,
  numpy_dtype
};

/// One row of the allow-list.
struct GlobalRule {
  std::string_view name;  ///< `module.qualname`
  GlobalUse use;
  DType dtype = DType::u8;  ///< of a storage or torch.dtype
};

/// The rule for a global, or null for one that is refused. Old module names (`__builtin__`) are understood.
const GlobalRule* find_global(std::string_view module, std::string_view name);

/// Result of `callable(*args)` for an allowed global or skipped object; `args` is a tuple. Nothing is executed.
NodeId call_global(PickleArena& arena, NodeId callable, NodeId args);

/// The storage a persistent id `('storage', type, key, location, numel)` stands for.
NodeId load_storage(PickleArena& arena, NodeId id);

/// Applies a BUILD state: only a NumPy dtype keeps some, containers and skipped objects drop it.
void build_state(PickleArena& arena, NodeId object, NodeId state);

}  // namespace retentive::models::formats
