#pragma once

#include <filesystem>

#include <models/checkpoint.h>

namespace retentive::models::detail {

/// read_checkpoint() of one file with the names that it has: those of a shard cannot be understood alone.
Checkpoint read_weights_file(const std::filesystem::path& path, Prefer prefer = Prefer::automatic);

}  // namespace retentive::models::detail
