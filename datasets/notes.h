#pragma once

#include <functional>
#include <string>

#include <retention/base/export.h>

namespace retentive::datasets {

/// Takes what a user should know about a file that was read all the same: its name and, as the rest of the sentence,
/// what was found. Called by the thread that reads the file, by one thread at a time.
using NoteSink = std::function<void(const std::string& file, const std::string& note)>;

/// Where notes of this process go from now on; without a sink, or with an empty one, nowhere.
RETENTIVE_API void set_note_sink(NoteSink sink);

namespace detail {

RETENTIVE_API void give_note(const std::string& file, const std::string& note);

}  // namespace detail

}  // namespace retentive::datasets
