#include <algorithm>
#include <cstdlib>
#include <new>

#include <sys/mman.h>

#include <retention/base/large_pages.h>

namespace retentive {

std::shared_ptr<void> allocate_large(int64_t bytes) {
  const auto whole = static_cast<size_t>(std::max<int64_t>((bytes + kLargePage - 1) / kLargePage, 1) * kLargePage);
  void* const memory = std::aligned_alloc(kLargePage, whole);
  if (memory == nullptr) throw std::bad_alloc();
  madvise(memory, whole, MADV_HUGEPAGE);  // advice: small pages serve where it is refused
  return {memory, std::free};
}

}  // namespace retentive
