#pragma once

#include <string>
#include <vector>

#include <apps/visual_figures.h>

namespace retentive::apps {

/// Figures that belong together.
struct SheetSection {
  std::string title;
  std::string note;  ///< such as why there are no figures; may be empty
  std::vector<Figure> figures;
};

/// One page that needs nothing else: figures as PNG inside of it, with their captions. Dark and light, on paper and on
/// a telephone.
std::string contact_sheet_html(const std::string& title, const std::string& introduction,
                               const std::vector<SheetSection>& sections);

}  // namespace retentive::apps
