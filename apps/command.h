#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include <retention/base/enum_names.h>

namespace retentive::apps {

/// Exit codes of every subcommand.
inline constexpr int kSuccess = 0;
inline constexpr int kFailure = 1;        ///< an error of retention/base/error.h, printed by main
inline constexpr int kUsage = 2;          ///< wrong flags or arguments
inline constexpr int kSomeFailed = 3;     ///< some inputs failed, the others were done
inline constexpr int kInterrupted = 130;  ///< stopped by Ctrl-C before all inputs were done; what was done is kept

/// What a subcommand does once its arguments are parsed. Returns an exit code; throws retentive::Error for bad input.
using Action = std::function<int()>;

/// A subcommand: `setup` declares arguments on its CLI11 app and returns the action, which owns what they are parsed
/// to.
struct Command {
  std::string name;
  std::string description;
  std::function<Action(CLI::App&)> setup;
};

/// The value of an enum with that name; a usage error of `flag` that lists the names when there is none.
template <class E>
E parse_enum(const std::string& flag, const std::string& name) {
  const auto value = enum_value<E>(name);
  if (!value) throw CLI::ValidationError(flag, "\"" + name + "\" is not accepted; give " + enum_choices<E>());
  return *value;
}

/// Adds a flag that takes one name of an enum with EnumNames; other values are a usage error that lists the names.
template <class E>
CLI::Option* add_enum_option(CLI::App& app, const std::string& flag, E& target, const std::string& help) {
  const auto parse = [&target, flag](const std::string& text) { target = parse_enum<E>(flag, text); };
  return app.add_option_function<std::string>(flag, parse, help + ": " + enum_choices<E>());
}

/// Likewise several names, with commas.
template <class E>
CLI::Option* add_enum_list(CLI::App& app, const std::string& flag, std::vector<E>& target, const std::string& help) {
  const auto parse = [&target, flag](const std::vector<std::string>& names) {
    target.clear();
    for (const auto& name : names) target.push_back(parse_enum<E>(flag, name));
  };
  return app.add_option_function<std::vector<std::string>>(flag, parse, help + ", with commas: " + enum_choices<E>())
      ->delimiter(',');
}

/// Every subcommand of this build, in the order of `retentive --help`. A subcommand NAME is a file NAME.cpp that
/// defines `Command NAME_command()`, and a word in the list of apps/CMakeLists.txt.
std::vector<Command> all_commands();

}  // namespace retentive::apps
