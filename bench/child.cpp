#include <bench/child.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <bench/report/format.h>
#include <retention/base/error.h>

namespace retentive::bench {
namespace {

constexpr int kLookMs = 20;

double resident_mb(pid_t process) {
  std::ifstream statm("/proc/" + std::to_string(process) + "/statm");
  double size = 0, resident = 0;
  if (!(statm >> size >> resident)) return 0;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

/// A pipe whose ends close themselves.
struct Pipe {
  Pipe() {
    if (pipe2(ends, O_CLOEXEC) != 0) throw StateError("[bench] no pipe: " + std::string(std::strerror(errno)));
  }
  ~Pipe() {
    close(ends[0]);
    close_writer();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_writer() {
    if (ends[1] >= 0) close(ends[1]);
    ends[1] = -1;
  }
  int ends[2] = {-1, -1};
};

pid_t spawn(const std::string& program, const std::vector<std::string>& arguments, const Pipe& out) {
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out.ends[1], STDOUT_FILENO);
  pid_t process = 0;
  const int error = posix_spawn(&process, program.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw StateError("[bench] " + program + " cannot be started: " + std::strerror(error));
  return process;
}

}  // namespace

ChildRun run_child(const std::string& program, const std::vector<std::string>& arguments, const ChildLimits& limits) {
  Pipe pipe;
  const auto process = spawn(program, arguments, pipe);
  pipe.close_writer();
  const auto start = std::chrono::steady_clock::now();
  ChildRun run;
  char buffer[1 << 16];
  for (bool open = true; open;) {
    pollfd ready{.fd = pipe.ends[0], .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, kLookMs) > 0) {
      const auto count = read(pipe.ends[0], buffer, sizeof buffer);
      open = count > 0;
      if (open) run.out.append(buffer, static_cast<size_t>(count));
    }
    if (!run.stopped.empty()) continue;
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    if (limits.seconds > 0 && spent.count() > limits.seconds) {
      run.stopped = format("took more than %.0f s", limits.seconds);
    } else if (limits.memory_mb > 0 && resident_mb(process) > limits.memory_mb) {
      run.stopped = format("needed more than %.1f GB", limits.memory_mb / 1024);
    }
    if (!run.stopped.empty()) kill(process, SIGKILL);
  }
  int status = 0;
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  run.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return run;
}

std::string own_program() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

}  // namespace retentive::bench
