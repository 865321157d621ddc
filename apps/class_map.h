#pragma once

#include <string>

#include <apps/command.h>
#include <models/class_match.h>

namespace retentive::apps {

/// Adds --class-map FILE.
CLI::Option* add_class_map(CLI::App& app, std::string& file);

/// The options of a matching: who asks, the set's name, and the class map of that file, if one is given.
models::ClassMatchOptions class_match_options(const std::string& where, const std::string& set,
                                              const std::string& class_map);

/// Says on stderr how many results were dropped because `annotations` lack their classes; nothing for none.
void note_dropped(int64_t count, const std::string& annotations);

}  // namespace retentive::apps
