#pragma once

#include <string>
#include <vector>

#include <bench/report/results.h>
#include <retention/base/export.h>

namespace retentive::bench {

/// One page that says all of it and needs nothing else: charts as SVG, tables, conditions. Dark and light, on paper and
/// on a telephone. Several results, for example of images and of text, share it.
RETENTIVE_API std::string report_html(const std::vector<Results>& results);

}  // namespace retentive::bench
