#pragma once

#include <string>
#include <vector>

#include <retention/base/export.h>

namespace retentive::bench {

/// Rows of text under a heading. Columns whose header begins with ">" are aligned to the right.
struct RETENTIVE_API Table {
  std::string title = {};
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows = {};
  std::string note = {};  ///< a line below

  std::string text() const;
  std::string markdown() const;
};

}  // namespace retentive::bench
