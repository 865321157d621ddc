#include <datasets/notes.h>

#include <mutex>
#include <utility>

namespace retentive::datasets {

namespace {

struct Shared {
  std::mutex mutex;
  NoteSink sink;
};

Shared& shared() {
  static Shared instance;
  return instance;
}

}  // namespace

void set_note_sink(NoteSink sink) {
  const std::lock_guard lock(shared().mutex);
  shared().sink = std::move(sink);
}

void detail::give_note(const std::string& file, const std::string& note) {
  const std::lock_guard lock(shared().mutex);
  if (shared().sink) shared().sink(file, note);
}

}  // namespace retentive::datasets
