#pragma once

#include <string>
#include <vector>

namespace retentive::apps {

/// All of standard input.
std::string read_standard_input();

/// A whole text file, or standard input for "-". `where` names the subcommand. Throws DataError.
std::string read_text_input(const std::string& path, const std::string& where);

}  // namespace retentive::apps
