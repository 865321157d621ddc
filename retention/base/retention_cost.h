#pragma once

#include <cstdint>

#include <retention/base/export.h>
#include <retention/base/form.h>

namespace retentive {

/// The most tokens that a kernel of retention works on at a time.
inline constexpr int64_t kMostRetentionChunk = 128;

/// Tokens that the chunkwise kernels work on at a time when `chunk` are asked for: as many up to kMostRetentionChunk;
/// else (0 = no wish) the measured best, as small states are cheap to update.
RETENTIVE_API int64_t retention_chunk(int64_t chunk, int64_t key_dim, int64_t value_dim);

/// Whether products count whose weight is 0 because the key comes after the query. Tables of ViT and ViR count them;
/// kernels leave them out, so that shares of a processor's peak must not.
enum class MaskedProducts { counted, left_out };

/// One head of causal retention over a sequence.
struct RetentionWork {
  int64_t tokens, key_dim, value_dim;
  int64_t chunk;  ///< tokens that are worked on at a time in the chunkwise form
};

/// Multiply-accumulates of `work` in `form`, which is not auto_: parallel T^2 (Dk + Dv), of which half are masked;
/// recurrent 2 T Dk Dv; chunkwise the one within chunks and the other across (RetNet, section 2.4).
RETENTIVE_API int64_t retention_macs(const RetentionWork& work, Form form, MaskedProducts masked);

}  // namespace retentive
