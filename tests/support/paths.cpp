#include <support/paths.h>

namespace retentive::testing {

std::string source_dir() { return RETENTIVE_SOURCE_DIR; }
std::string program_path() { return RETENTIVE_PROGRAM; }

}  // namespace retentive::testing
