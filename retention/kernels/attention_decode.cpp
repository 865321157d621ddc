#include <algorithm>

#include <retention/kernels/attention_decode.h>
#include <retention/kernels/attention_decode_plan.h>
#include <retention/kernels/implementation.h>

namespace retentive::retention {
namespace {

template <class T>
using Entry = void (*)(const AttentionDecodeCall<T>&);

#define RETENTIVE_ROW(isa) {Isa::isa, isa::attention_decode},
template <class T>
constexpr Implementation<Entry<T>> kDecode[] = {RETENTIVE_FOR_EACH_ISA(RETENTIVE_ROW)};
#undef RETENTIVE_ROW

}  // namespace

int64_t attention_decode_workspace_bytes(const AttentionDecodeProblem& p, int threads) {
  return AttentionDecodePlan(p, threads).floats * static_cast<int64_t>(sizeof(float));
}

template <class T>
bool attention_decode(const AttentionDecodeProblem& p, const AttentionDecodeTensors<T>& tensors, void* workspace,
                      int threads) {
  static const auto run = choose(kDecode<T>);
  if (run == nullptr || p.queries > kMostDecodeQueries) return false;
  run({p, tensors, static_cast<float*>(workspace), std::max(threads, 1)});
  return true;
}

#define RETENTIVE_ATTENTION_DECODE(T) \
  template bool attention_decode<T>(const AttentionDecodeProblem&, const AttentionDecodeTensors<T>&, void*, int);
RETENTIVE_ATTENTION_DECODE(float)
RETENTIVE_ATTENTION_DECODE(bfloat16)
#undef RETENTIVE_ATTENTION_DECODE

}  // namespace retentive::retention
