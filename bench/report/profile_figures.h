#pragma once

#include <bench/report/charts_of_results.h>
#include <bench/report/groups.h>

namespace retentive::bench {

/// Time by kind of operation, at the smallest and the largest size of each series; no picture where none was profiled.
Figure breakdown(const Group& group);
/// Operations below the ceilings of `results`, at the largest size of each series; likewise.
Figure roofline_of(const Results& results, const Group& group);

}  // namespace retentive::bench
