#pragma once

#include <filesystem>

#include <models/checkpoint.h>

namespace retentive::models::detail {

/// read_checkpoint() of one file without the renaming of layouts.
Checkpoint read_weights_file(const std::filesystem::path& path, Prefer prefer = Prefer::automatic);

/// One of several files with all the names that it has, which cannot be understood alone; and what becomes of the
/// tensors of all of them: see strip_wrappers().
Checkpoint read_shard(const std::filesystem::path& path);
void join_shards(Checkpoint& whole);

}  // namespace retentive::models::detail
