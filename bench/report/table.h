#pragma once

#include <string>
#include <vector>

namespace retentive::bench {

/// Rows of text under a heading. Columns whose header begins with ">" are aligned to the right.
struct Table {
  std::string title = {};
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows = {};
  std::string note = {};  ///< a line below

  std::string text() const;
  std::string markdown() const;
};

}  // namespace retentive::bench
