#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace retentive::testing {

/// What a finished program left.
struct ProcessResult {
  int exit_code = -1;  ///< 128 + signal when a signal ended it
  std::string out;
  std::string err;
};

/// Runs `arguments` (the first is the program) to its end, without a shell; `input` becomes its standard input. Above
/// 0, `interrupt_after` sends it SIGINT that long after its beginning; `interrupt_at_output` does once it has written
/// to its standard output.
inline ProcessResult run_process(const std::vector<std::string>& arguments, const std::string& input = "",
                                 std::chrono::milliseconds interrupt_after = {}, bool interrupt_at_output = false) {
  const auto capture = [] { return std::unique_ptr<std::FILE, int (*)(std::FILE*)>(std::tmpfile(), std::fclose); };
  const auto in = capture(), out = capture(), err = capture();
  if (!in || !out || !err) throw std::runtime_error("no temporary file");
  std::fwrite(input.data(), 1, input.size(), in.get());
  std::rewind(in.get());
  std::vector<char*> argv;
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) {
    dup2(fileno(in.get()), 0);
    dup2(fileno(out.get()), 1);
    dup2(fileno(err.get()), 2);
    execv(argv[0], argv.data());
    _exit(127);
  }
  if (interrupt_after.count() > 0) {
    std::this_thread::sleep_for(interrupt_after);
    kill(child, SIGINT);
  }
  int status = 0;
  bool ended = false;
  while (interrupt_at_output && !ended && lseek(fileno(out.get()), 0, SEEK_END) == 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    ended = waitpid(child, &status, WNOHANG) != 0;
  }
  if (interrupt_at_output && !ended) kill(child, SIGINT);
  if (!ended) waitpid(child, &status, 0);
  const auto text = [](std::FILE* file) {
    std::string content(static_cast<size_t>(std::fseek(file, 0, SEEK_END) == 0 ? std::ftell(file) : 0), '\0');
    std::rewind(file);
    content.resize(std::fread(content.data(), 1, content.size(), file));
    return content;
  };
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), text(out.get()), text(err.get())};
}

}  // namespace retentive::testing
