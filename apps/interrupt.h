#pragma once

#include <atomic>

namespace retentive::apps {

/// From now on SIGINT and SIGTERM go to a thread of their own and never interrupt one that computes: oneDNN's products
/// may run with the stack pointer in heap memory, where the frame of a handler would overwrite what lies there.
/// To be called before any other thread begins. Signals that the caller of the program had ignored stay ignored.
void start_interrupt_thread();

/// While it lives, the first SIGINT or SIGTERM sets a flag instead of ending the program; the next one ends it.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  const std::atomic<bool>& requested() const;
};

}  // namespace retentive::apps
