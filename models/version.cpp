#include <models/version.h>

namespace retentive {

std::string_view version() noexcept { return RETENTIVE_VERSION; }

}  // namespace retentive
