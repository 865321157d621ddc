#pragma once

#include <string>
#include <vector>

namespace retentive::apps {

/// Prints what a user should know, though the run goes on, on stderr.
void print_notes(const std::vector<std::string>& notes);

/// Notes on files that are read go to stderr from now on, each once; with `once_per_kind`, for sets of many files, only
/// the first file of each kind.
void print_file_notes(bool once_per_kind);

}  // namespace retentive::apps
