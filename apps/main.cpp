#include <exception>
#include <iostream>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <c10/util/Exception.h>

#include <apps/command.h>
#include <apps/interrupt.h>
#include <models/nearest.h>
#include <models/version.h>
#include <retention/base/error.h>

namespace retentive::apps {
namespace {

/// The subcommand that parsing reached, and its name as typed.
const CLI::App& innermost(const CLI::App& app, std::string& path) {
  path += (path.empty() ? "" : " ") + app.get_name();
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? app : innermost(*parsed.front(), path);
}

std::vector<std::string> flag_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> subcommand_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* child : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(child->get_name());
  }
  return names;
}

/// What is wrong with arguments that no flag or subcommand took; empty when there are none.
std::string explain_extras(const CLI::App& app) {
  for (const std::string& extra : app.remaining()) {
    if (extra.starts_with("-") && extra.size() > 1) {
      const std::string flag = extra.substr(0, extra.find('='));
      return "unknown flag " + flag + "; did you mean " + models::nearest_name(flag, flag_names(app)) + "?";
    }
    const auto known = subcommand_names(app);
    if (known.empty()) return "unexpected argument \"" + extra + "\"";
    return "unknown subcommand \"" + extra + "\"; did you mean \"" + models::nearest_name(extra, known) + "\"?";
  }
  return {};
}

int usage_error(const CLI::App& root, const CLI::ParseError& error) {
  std::string path;
  const CLI::App& app = innermost(root, path);
  std::string message = explain_extras(app);
  if (message.empty()) message = error.what();
  std::cerr << path << ": " << message << " See: " << path << " --help\n";
  return kUsage;
}

int report_failure(const std::string& message) {
  std::cout.flush();
  std::cerr << "error: " << message << "\n";
  return kFailure;
}

int run_action(const Action& action) {
  try {
    const int code = action();
    std::cout.flush();
    if (!std::cout) return report_failure("[stdout] cannot be written; check the disk or pipe it goes to");
    return code;
  } catch (const Error& error) {
    return report_failure(error.what());
  } catch (const std::bad_alloc&) {
    return report_failure("[memory] not enough memory; use a smaller model, batch or image");
  } catch (const c10::Error& error) {
    return report_failure(std::string("[torch] ") + error.what_without_backtrace());
  } catch (const std::exception& error) {
    return report_failure(error.what());
  }
}

int run(int argc, char** argv) {
  CLI::App root{"Retention backbones on ordinary CPUs", "retentive"};
  root.set_version_flag("--version", "retentive " + std::string(version()));
  root.require_subcommand(1);
  std::vector<std::pair<CLI::App*, Action>> actions;
  for (const Command& command : all_commands()) {
    CLI::App* app = root.add_subcommand(command.name, command.description);
    actions.emplace_back(app, command.setup(*app));
  }
  try {
    root.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return root.exit(success);  // --help, --version
  } catch (const CLI::ParseError& error) {
    return usage_error(root, error);
  }
  for (const auto& [app, action] : actions) {
    if (app->parsed()) return run_action(action);
  }
  return kUsage;
}

}  // namespace
}  // namespace retentive::apps

int main(int argc, char** argv) {
  retentive::apps::start_interrupt_thread();
  return retentive::apps::run(argc, argv);
}
