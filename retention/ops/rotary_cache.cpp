#include <algorithm>
#include <list>
#include <mutex>

#include <retention/kernels/masa.h>
#include <retention/ops/detail/rotary_cache.h>

namespace retentive::detail {
namespace {

constexpr size_t kKept = 8;

std::shared_ptr<const RotaryTables> make(std::vector<float> angle, int64_t tokens) {
  auto tables = std::make_shared<RotaryTables>();
  const auto dim = static_cast<int64_t>(angle.size());
  tables->tokens = tokens;
  tables->sin.resize(tokens * dim / 2);
  tables->cos.resize(tokens * dim / 2);
  retention::masa_rotary_tables(tokens, dim, angle.data(), tables->sin.data(), tables->cos.data());
  tables->angle = std::move(angle);
  return tables;
}

}  // namespace

std::shared_ptr<const RotaryTables> rotary_tables(const at::Tensor& angle, int64_t tokens) {
  static std::mutex mutex;
  static std::list<std::shared_ptr<const RotaryTables>> kept;
  const auto values = angle.contiguous();
  const auto* first = values.const_data_ptr<float>();
  const std::lock_guard lock(mutex);
  for (auto it = kept.begin(); it != kept.end(); ++it) {
    const auto& known = (*it)->angle;
    if (!std::equal(known.begin(), known.end(), first, first + values.numel())) continue;
    // Entries depend on the token alone, so that a longer table serves every smaller grid.
    if ((*it)->tokens < tokens) *it = make(known, tokens);
    kept.splice(kept.begin(), kept, it);
    return kept.front();
  }
  kept.push_front(make({first, first + values.numel()}, tokens));
  if (kept.size() > kKept) kept.pop_back();
  return kept.front();
}

}  // namespace retentive::detail
