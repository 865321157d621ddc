#include <apps/progress.h>

#include <unistd.h>

#include <cstdio>

#include <retention/base/progress_text.h>

namespace retentive::apps {
namespace {

constexpr int64_t kSmallJob = 32;
constexpr auto kQuick = std::chrono::seconds(1);
constexpr auto kRedraw = std::chrono::milliseconds(200);
constexpr auto kLineInterval = std::chrono::seconds(10);

}  // namespace

ProgressMeter::ProgressMeter(int64_t total, std::string unit)
    : total_(total), unit_(std::move(unit)), terminal_(isatty(2) == 1), start_(Clock::now()), reported_(start_) {}

ProgressMeter::~ProgressMeter() { hide(); }

void ProgressMeter::advance() {
  ++done_;
  const auto now = Clock::now();
  if (total_ < kSmallJob || now - start_ < kQuick) return;
  if (terminal_) {
    if (shown_ && now - reported_ < kRedraw) return;
    std::fprintf(stderr, "%s%s", kClearLine, text(now).c_str());
    std::fflush(stderr);
    shown_ = true;
  } else {
    if (now - reported_ < kLineInterval && done_ < total_) return;
    std::fprintf(stderr, "%s\n", text(now).c_str());
  }
  reported_ = now;
}

void ProgressMeter::hide() {
  if (!shown_) return;
  std::fputs(kClearLine, stderr);
  std::fflush(stderr);
  shown_ = false;
}

std::string ProgressMeter::text(Clock::time_point now) const {
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const double rate = static_cast<double>(done_) / elapsed;
  char counts[96];
  std::snprintf(counts, sizeof counts, "%lld of %lld %s  %.1f a second  ETA ", static_cast<long long>(done_),
                static_cast<long long>(total_), unit_.c_str(), rate);
  const auto ending = counts + duration_text(static_cast<double>(total_ - done_) / rate);
  if (!terminal_) return ending;
  return progress_bar(done_, total_) + " " + ending;
}

}  // namespace retentive::apps
