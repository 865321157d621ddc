#pragma once

#include <apps/command.h>

namespace retentive::apps {

/// `bench scaling`: the whole study of cost against resolution.
Action set_up_bench_scaling(CLI::App& app);

/// `bench report`: files and pictures of results that are there.
Action set_up_bench_report(CLI::App& app);

}  // namespace retentive::apps
