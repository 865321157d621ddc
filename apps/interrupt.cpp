#include <apps/interrupt.h>

#include <signal.h>

#include <thread>

namespace retentive::apps {
namespace {

std::atomic<bool> listening = false;
std::atomic<bool> stop_requested = false;

sigset_t watched_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM}) {
    struct sigaction action = {};
    sigaction(number, nullptr, &action);
    if (action.sa_handler != SIG_IGN) sigaddset(&signals, number);
  }
  return signals;
}

void end_program(int number, const sigset_t& signals) {
  signal(number, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  raise(number);
}

void watch(sigset_t signals) {
  for (int number = 0; sigwait(&signals, &number) == 0;) {
    if (!listening.exchange(false)) end_program(number, signals);
    stop_requested = true;
  }
}

}  // namespace

void start_interrupt_thread() {
  const auto signals = watched_signals();
  if (sigisemptyset(&signals) != 0) return;
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread(watch, signals).detach();
}

InterruptScope::InterruptScope() {
  stop_requested = false;
  listening = true;
}
InterruptScope::~InterruptScope() { listening = false; }
const std::atomic<bool>& InterruptScope::requested() const { return stop_requested; }

}  // namespace retentive::apps
