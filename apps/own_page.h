#pragma once

#include <filesystem>
#include <string>

namespace retentive::apps {

/// Throws DataError when a page of that name is there which the program did not write: one without `mark`, a text that
/// every page of its kind holds. `where` names the subcommand.
void check_own_page(const std::filesystem::path& page, const std::string& mark, const std::string& where);

}  // namespace retentive::apps
