#include <retention/kernels/few_rows.h>

namespace retentive::retention {
namespace {

// Only layouts of AVX-512 have panels; bf16 has them only where its dot product exists.
constexpr Implementation<FewRows> kFloat[] = {{Isa::avx512_bf16, avx512_bf16::few_rows_f32},
                                              {Isa::avx512, avx512::few_rows_f32}};
constexpr Implementation<FewRows> kBfloat16[] = {{Isa::avx512_bf16, avx512_bf16::few_rows_bf16}};
constexpr Implementation<FewRows> kInt8[] = {{Isa::avx512_bf16, avx512_bf16::few_rows_int8},
                                             {Isa::avx512, avx512::few_rows_int8}};

}  // namespace

FewRows few_rows(FewRowsType type, std::vector<Declined>* declined) {
  switch (type) {
    case FewRowsType::bf16:
      return choose(kBfloat16, declined);
    case FewRowsType::s8:
      return choose(kInt8, declined);
    case FewRowsType::f32:
      break;
  }
  return choose(kFloat, declined);
}

}  // namespace retentive::retention
