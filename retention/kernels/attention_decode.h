#pragma once

#include <cstdint>

#include <retention/base/bfloat16.h>
#include <retention/base/export.h>
#include <retention/kernels/isa_list.h>

namespace retentive::retention {

/// The most queries of a row that the kernel takes.
constexpr int64_t kMostDecodeQueries = 8;

/// Softmax attention of the last `queries` tokens of each row to all of its `keys` tokens, as decoding with a cache of
/// keys and values needs it. Per row and head, query i standing at token keys - queries + i:
///   out_i = sum over j of softmax_j(scale q_i . k_j) v_j,  j = 0 .. keys - queries + i
struct AttentionDecodeProblem {
  int64_t rows = 1;
  int64_t heads = 1;
  int64_t queries = 1;  ///< at least 1, at most `keys`
  int64_t keys = 1;
  int64_t key_dim = 1;
  int64_t value_dim = 1;
  float scale = 1;
};

/// A tensor [rows, heads, tokens, dim] with these distances in elements; channels are contiguous.
template <class T>
struct AttentionRows {
  T* data = nullptr;
  int64_t row_stride = 0;
  int64_t head_stride = 0;
  int64_t token_stride = 0;

  T* at(int64_t row, int64_t head, int64_t token) const {
    return data + row * row_stride + head * head_stride + token * token_stride;
  }
};

/// q and k have key_dim channels, v and out value_dim; q and out have `queries` tokens, k and v `keys`.
template <class T>
struct AttentionDecodeTensors {
  AttentionRows<const T> q, k, v;
  AttentionRows<T> out;
};

/// By the definition, in double.
RETENTIVE_API void attention_decode_reference(const AttentionDecodeProblem& problem,
                                              const AttentionDecodeTensors<float>& tensors);

/// Bytes of workspace that the kernel needs, for any element type.
RETENTIVE_API int64_t attention_decode_workspace_bytes(const AttentionDecodeProblem& problem, int threads);

/// The fastest implementation for this processor, for T float or bfloat16; scores, weights and sums are float. Keys and
/// values are read once, fastest where the tokens of a head lie side by side. Every row gets the bits that it gets
/// alone, for any number of threads; what is not finite among a query's keys makes its output NaN, and no token that it
/// does not see has any effect. `workspace` is aligned to 64. Returns false, having done nothing, when no
/// implementation runs here or there are more than kMostDecodeQueries queries.
template <class T>
bool attention_decode(const AttentionDecodeProblem& problem, const AttentionDecodeTensors<T>& tensors, void* workspace,
                      int threads);

#define RETENTIVE_ATTENTION_DECODE(T)                                                   \
  extern template RETENTIVE_API bool attention_decode<T>(const AttentionDecodeProblem&, \
                                                         const AttentionDecodeTensors<T>&, void*, int);
RETENTIVE_ATTENTION_DECODE(float)
RETENTIVE_ATTENTION_DECODE(bfloat16)
#undef RETENTIVE_ATTENTION_DECODE

/// One call of the kernel, as its entry points take it.
template <class T>
struct AttentionDecodeCall {
  AttentionDecodeProblem problem;
  AttentionDecodeTensors<T> tensors;
  float* workspace;
  int threads;
};

/// Entry points of the instruction sets; callers use the function above.
#define RETENTIVE_DECLARE(isa)                                 \
  namespace isa {                                              \
  void attention_decode(const AttentionDecodeCall<float>&);    \
  void attention_decode(const AttentionDecodeCall<bfloat16>&); \
  }
RETENTIVE_FOR_EACH_ISA(RETENTIVE_DECLARE)
#undef RETENTIVE_DECLARE

}  // namespace retentive::retention
