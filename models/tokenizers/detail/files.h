#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace retentive::models::detail {

inline constexpr const char* kTokenizerFiles = "a tokenizer.json, a SentencePiece model, or the word \"bytes\"";

/// The content of a regular file of at most 1 GiB. Throws CheckpointError naming the path, the reason and what is
/// `wanted` there.
std::string read_file(const std::filesystem::path& path, const std::string& wanted = kTokenizerFiles);

/// Writes the file whole or not at all. Throws CheckpointError.
void write_file(const std::filesystem::path& path, std::string_view content);

}  // namespace retentive::models::detail
