#include <optional>

#include <c10/core/CPUAllocator.h>
#include <torch/torch.h>

#include <retention/ops/memory.h>
#include <support/tensors.h>

using namespace retentive;

TEST_CASE("large tensors come from the pool while one asks for it", "[memory]") {
  auto& pool = BufferPool::shared();
  pool.trim();
  const auto before = pool.held();
  constexpr int64_t kCount = int64_t{1} << 20;
  const auto plain = torch::zeros({kCount});
  CHECK(pool.held() == before);

  torch::Tensor kept;
  {
    const PooledTensors pooled;
    const void* memory = nullptr;
    {
      const auto first = torch::ones({kCount});
      memory = first.const_data_ptr();
      CHECK(pool.held() == before + kCount * sizeof(float));
      const auto small = torch::ones({16});
      CHECK(pool.held() == before + kCount * sizeof(float));
    }
    kept = torch::full({kCount}, 2.0);
    CHECK(kept.const_data_ptr() == memory);
    CHECK(pool.held() == before + kCount * sizeof(float));
    {
      const PooledTensors inner;
      const auto idle = torch::ones({kCount});
    }
    CHECK(pool.held() == before + 2 * kCount * sizeof(float));

    auto* allocator = c10::GetCPUAllocator();
    void* raw = allocator->raw_allocate(kCount * sizeof(float));
    CHECK(pool.held() == before + 2 * kCount * sizeof(float));
    allocator->raw_deallocate(raw);
    allocator->raw_deallocate(allocator->raw_allocate(16));
  }
  CHECK(pool.held() == before + kCount * sizeof(float));
  CHECK(kept.sum().item<float>() == 2.0f * kCount);
  const auto later = torch::ones({kCount});
  CHECK(pool.held() == before + kCount * sizeof(float));
  kept = torch::Tensor();
  pool.trim();
  CHECK(pool.held() == before);
}
