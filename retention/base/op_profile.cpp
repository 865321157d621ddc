#include <retention/base/error.h>
#include <retention/base/op_profile.h>

namespace retentive {
namespace {

std::atomic<OpProfile*> active_profile{nullptr};

}  // namespace

OpProfile::OpProfile() {
  OpProfile* none = nullptr;
  if (!active_profile.compare_exchange_strong(none, this)) {
    throw StateError("[profile] another profile is active; destroy it first");
  }
}

OpProfile::~OpProfile() { active_profile.store(nullptr); }

OpProfile* OpProfile::active() { return active_profile.load(std::memory_order_relaxed); }

void OpProfile::add(const std::string& operation, double milliseconds, double macs, double bytes) {
  const std::lock_guard lock(mutex_);
  Row& row = rows_[operation];
  ++row.calls;
  row.milliseconds += milliseconds;
  row.gmacs += macs * 1e-9;
  row.gigabytes += bytes * 1e-9;
}

std::map<std::string, OpProfile::Row> OpProfile::rows() const {
  const std::lock_guard lock(mutex_);
  return rows_;
}

}  // namespace retentive
