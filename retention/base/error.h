#pragma once

#include <stdexcept>
#include <string>

#include <retention/base/export.h>

namespace retentive {

/// Base of every exception the library throws on purpose. A message reads
/// `[where] what, with names and values; what is accepted; the fix`.
class RETENTIVE_API Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message);
  ~Error() override;
  /// Name of the concrete type, as printed in `--json` error records.
  virtual const char* kind() const noexcept;
};

/// A value or shape that a function does not accept.
class RETENTIVE_API InvalidArgument : public Error {
 public:
  using Error::Error;
  ~InvalidArgument() override;
  const char* kind() const noexcept override;
};

/// A wrong or unknown key or value in a configuration.
class RETENTIVE_API ConfigError : public Error {
 public:
  using Error::Error;
  ~ConfigError() override;
  const char* kind() const noexcept override;
};

/// A weights or state file that is damaged, hostile, or not for this model.
class RETENTIVE_API CheckpointError : public Error {
 public:
  using Error::Error;
  ~CheckpointError() override;
  const char* kind() const noexcept override;
};

/// An image, text or data set that cannot be read.
class RETENTIVE_API DataError : public Error {
 public:
  using Error::Error;
  ~DataError() override;
  const char* kind() const noexcept override;
};

/// A call that the object's present state does not allow.
class RETENTIVE_API StateError : public Error {
 public:
  using Error::Error;
  ~StateError() override;
  const char* kind() const noexcept override;
};

/// Something the library knows of and does not do.
class RETENTIVE_API Unsupported : public Error {
 public:
  using Error::Error;
  ~Unsupported() override;
  const char* kind() const noexcept override;
};

}  // namespace retentive
