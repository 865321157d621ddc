#include <models/training/progress.h>

#include <unistd.h>

#include <cstdio>

#include <retention/base/progress_text.h>

namespace retentive::models {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(200);

}  // namespace

ConsoleProgress::ConsoleProgress(int64_t log_interval) : log_interval_(log_interval), terminal_(isatty(2) == 1) {}

void ConsoleProgress::step(const StepReport& report) {
  const auto now = std::chrono::steady_clock::now();
  const bool last = report.step == report.steps;
  if (terminal_ ? now - drawn_ < kRedraw && !last : report.step % log_interval_ != 0) return;
  drawn_ = now;
  if (terminal_) std::fprintf(stderr, "%s%s ", kClearLine, progress_bar(report.step, report.steps).c_str());
  std::fprintf(stderr, "epoch %lld/%lld  step %lld/%lld  loss %.4f  lr %.3e  %.1f %s/s  ETA %s%s",
               static_cast<long long>(report.epoch), static_cast<long long>(report.epochs),
               static_cast<long long>(report.step), static_cast<long long>(report.steps), report.loss, report.lr,
               report.items_per_second, report.items.c_str(), duration_text(report.eta_seconds).c_str(),
               terminal_ ? "" : "\n");
  std::fflush(stderr);
}

void ConsoleProgress::epoch(const EpochReport& report) {
  if (terminal_) std::fputs(kClearLine, stderr);
  std::fprintf(stderr, "epoch %lld/%lld  train loss %.4f  validation %s", static_cast<long long>(report.epoch),
               static_cast<long long>(report.epochs), report.train_loss, scores_text(report.raw).c_str());
  if (report.ema) std::fprintf(stderr, "  ema %s", scores_text(*report.ema).c_str());
  std::fprintf(stderr, "  %.0f s%s\n", report.seconds, report.best ? "  best so far" : "");
}

TrainCallbacks ConsoleProgress::callbacks() {
  return {[this](const StepReport& report) { step(report); }, [this](const EpochReport& report) { epoch(report); },
          [](const std::string& text) { std::fprintf(stderr, "note: %s\n", text.c_str()); }};
}

}  // namespace retentive::models
