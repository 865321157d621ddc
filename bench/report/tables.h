#pragma once

#include <string>
#include <vector>

#include <bench/report/results.h>
#include <bench/report/table.h>
#include <retention/base/export.h>

namespace retentive::bench {

/// Everything that results say: a table of each task, exponents, crossovers, speed-ups over attention, and of a single
/// profiled cell its operations.
RETENTIVE_API std::vector<Table> results_tables(const Results& results);
/// Machine, versions and moment, in one sentence.
RETENTIVE_API std::string results_conditions(const Results& results);

/// Both, for a terminal and as Markdown.
RETENTIVE_API std::string results_text(const Results& results);
RETENTIVE_API std::string results_markdown(const Results& results);

/// One row a cell (RFC 4180), skipped ones with their reason; the first row names the columns.
RETENTIVE_API std::string results_csv(const Results& results);

}  // namespace retentive::bench
