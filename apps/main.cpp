#include <fcntl.h>
#include <signal.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <c10/util/Exception.h>

#include <apps/command.h>
#include <apps/interrupt.h>
#include <apps/notes.h>
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
  std::cout.exceptions(std::ios::goodbit);
  std::cout.flush();
  std::cerr << "error: " << message << "\n";
  return kFailure;
}

constexpr const char* kLostOutput = "[stdout] cannot be written; check the disk or pipe it goes to";

/// The exit code, or that of a failure when results did not reach their pipe or disk.
int finish_output(int code) {
  std::cout.exceptions(std::ios::goodbit);
  std::cout.flush();
  if (std::cout && std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  return report_failure(kLostOutput);
}

int run_action(const Action& action) {
  // What nobody can receive any more is not worth computing.
  std::cout.exceptions(std::ios::badbit);
  try {
    return finish_output(action());
  } catch (const std::ios::failure&) {
    return report_failure(kLostOutput);
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
    return finish_output(root.exit(success));  // --help, --version
  } catch (const CLI::ParseError& error) {
    return usage_error(root, error);
  }
  for (const auto& [app, action] : actions) {
    if (!app->parsed()) continue;
    print_file_notes(app->get_name() == "train");
    return run_action(action);
  }
  return kUsage;
}

/// Failing writes become errors with a message: nothing ends the program silently, and no file that is opened later
/// takes the place of a standard stream that is closed.
void keep_writes_checked() {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  for (int stream = 0; stream <= 2; ++stream) {
    // Opened the wrong way round, so that its use fails as before.
    if (fcntl(stream, F_GETFD) < 0) open("/dev/null", stream == 0 ? O_WRONLY : O_RDONLY);
  }
}

}  // namespace
}  // namespace retentive::apps

int main(int argc, char** argv) {
  retentive::apps::keep_writes_checked();
  retentive::apps::start_interrupt_thread();
  return retentive::apps::run(argc, argv);
}
