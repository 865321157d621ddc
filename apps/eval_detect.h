#pragma once

#include <apps/command.h>

namespace retentive::apps {

/// `retentive eval detect`: declares its flags on `app` and returns what it does.
Action set_up_eval_detect(CLI::App& app);

}  // namespace retentive::apps
