#include <retention/base/error.h>

namespace retentive {

Error::Error(const std::string& message) : std::runtime_error(message) {}
Error::~Error() = default;
InvalidArgument::~InvalidArgument() = default;
ConfigError::~ConfigError() = default;
CheckpointError::~CheckpointError() = default;
DataError::~DataError() = default;
StateError::~StateError() = default;
Unsupported::~Unsupported() = default;

const char* Error::kind() const noexcept { return "Error"; }
const char* InvalidArgument::kind() const noexcept { return "InvalidArgument"; }
const char* ConfigError::kind() const noexcept { return "ConfigError"; }
const char* CheckpointError::kind() const noexcept { return "CheckpointError"; }
const char* DataError::kind() const noexcept { return "DataError"; }
const char* StateError::kind() const noexcept { return "StateError"; }
const char* Unsupported::kind() const noexcept { return "Unsupported"; }

}  // namespace retentive
