#pragma once

#include <retention/kernels/simd/simd.h>

namespace retentive::retention::RETENTIVE_KERNEL_ISA {
namespace {

/// Sixteen values, looked up by the low four bits of each lane.
#if defined(__AVX512F__)
using Table16 = __m512;
inline Table16 load_table(const float* values) { return _mm512_loadu_ps(values); }
inline Floats lookup(Table16 table, Floats index) { return _mm512_permutexvar_ps(_mm512_castps_si512(index), table); }
/// min(|x|, limit); limit when x is NaN.
inline Floats min_magnitude(Floats x, Floats limit) { return _mm512_range_ps(x, limit, 0b1010); }
#else
struct Table16 {
  __m256 low, high;
};
inline Table16 load_table(const float* values) { return {_mm256_loadu_ps(values), _mm256_loadu_ps(values + 8)}; }
inline Floats lookup(const Table16& table, Floats index) {
  const __m256i word = _mm256_castps_si256(index);
  const __m256 fourth_bit = _mm256_castsi256_ps(_mm256_slli_epi32(word, 28));
  return _mm256_blendv_ps(_mm256_permutevar8x32_ps(table.low, word), _mm256_permutevar8x32_ps(table.high, word),
                          fourth_bit);
}
inline Floats min_magnitude(Floats x, Floats limit) { return min(abs(x), limit); }
#endif

/// A function of a = |x| by one polynomial on each of 16 intervals of width 23/64, constant from 5.57 on: the intervals
/// are centred at multiples of the width, the polynomials are minimax in the distance from the centre.
constexpr float kIntervalWidth = 0.359375f;
constexpr float kIntervalEnd = 5.566f;

// h(a) = a Phi(-a), Phi being the normal distribution; error 4e-7.
constexpr float kGeluTable[5][16] = {
    {0.0f, 0.1292519f, 0.1697311f, 0.1514647f, 0.1082265f, 0.06500686f, 0.03349102f, 0.01494553f, 0.005807895f,
     0.001971501f, 0.0005856961f, 0.0001524663f, 3.480595e-05f, 6.971856e-06f, 1.225832e-06f, 1.8946e-07f},
    {0.5f, 0.2252597f, 0.01468862f, -0.1000411f, -0.1287934f, -0.1064882f, -0.06861056f, -0.03646097f, -0.01637447f,
     -0.006294182f, -0.002086041f, -0.000598884f, -0.0001494033f, -3.242835e-05f, -6.142617e-06f, -1.165124e-06f},
    {-0.3989426f, -0.3498411f, -0.2285431f, -0.0934464f, 0.00471421f, 0.04877786f, 0.05169461f, 0.03647733f,
     0.02004409f, 0.009030662f, 0.003415969f, 0.001099057f, 0.0003030135f, 7.200829e-05f, 1.480622e-05f, 0.0f},
    {6.667036e-05f, 0.08593513f, 0.1276142f, 0.1132239f, 0.0657857f, 0.01868144f, -0.008775597f, -0.01627097f,
     -0.01305828f, -0.007453207f, -0.00336274f, -0.001247889f, -0.0003832768f, -0.0001041567f, -2.3645e-05f, 0.0f},
    {0.0658069f, 0.04820353f, 0.008516788f, -0.02552327f, -0.03653511f, -0.02696945f, -0.01137558f, -0.0002666485f,
     0.003844806f, 0.003529387f, 0.002055518f, 0.0009107723f, 0.0003682025f, 0.0001015115f, 2.549754e-05f,
     8.70225e-05f}};
// h'(a), error 6e-7.
constexpr float kGeluSlopeTable[5][16] = {
    {0.5f, 0.225253f, 0.01468035f, -0.1000455f, -0.1287934f, -0.1064854f, -0.0686078f, -0.03645912f, -0.01637448f,
     -0.006294214f, -0.002086041f, -0.000598884f, -0.0001494033f, -3.24589e-05f, -6.151217e-06f, -1.018061e-06f},
    {-0.7978762f, -0.6996757f, -0.4570811f, -0.1868953f, 0.009416654f, 0.09755458f, 0.1033867f, 0.07295769f, 0.0400912f,
     0.0180615f, 0.006830779f, 0.002197424f, 0.000606076f, 0.0001440815f, 2.959971e-05f, 5.277864e-06f},
    {-0.0003417472f, 0.2601158f, 0.3857125f, 0.3412715f, 0.1973109f, 0.05502361f, -0.02731572f, -0.04936393f,
     -0.03923276f, -0.02230196f, -0.01002553f, -0.003706562f, -0.001149777f, -0.0003025866f, -6.811338e-05f,
     -1.318549e-05f},
    {0.2707801f, 0.1925407f, 0.03387446f, -0.1019891f, -0.1452382f, -0.1078305f, -0.04541057f, -0.001183573f,
     0.01512265f, 0.01421334f, 0.008402634f, 0.003755128f, 0.001351623f, 0.0003969649f, 0.0001025566f, 2.193569e-05f},
    {-0.02835537f, -0.09188156f, -0.1149707f, -0.06552775f, 0.003421425f, 0.04151291f, 0.04012346f, 0.02051812f,
     0.003651515f, -0.003506156f, -0.003955175f, -0.002351092f, -0.001019939f, -0.0003979359f, -0.000103897f,
     -2.458361e-05f}};

// 1.5 * 2^23: adding it rounds to an integer and leaves that in the low bits.
constexpr float kRoundToInteger = 12582912.0f;

/// Coefficients held in registers across a loop.
template <int kTerms>
struct Piecewise {
  Table16 coefficients[kTerms];

  explicit Piecewise(const float (&table)[kTerms][16]) {
#pragma GCC unroll 8
    for (int k = 0; k < kTerms; ++k) coefficients[k] = load_table(table[k]);
  }

  /// base - f(|x|).
  Floats subtract_from(Floats base, Floats x) const {
    const Floats a = min_magnitude(x, broadcast(kIntervalEnd));
    const Floats shift = broadcast(kRoundToInteger);
    const Floats index = fmadd(a, broadcast(1.0f / kIntervalWidth), shift);
    const Floats r = fnmadd(sub(index, shift), broadcast(kIntervalWidth), a);
    Floats p = lookup(coefficients[kTerms - 1], index);
#pragma GCC unroll 8
    for (int k = kTerms - 2; k > 0; --k) p = fmadd(p, r, lookup(coefficients[k], index));
    return fnmadd(p, r, sub(base, lookup(coefficients[0], index)));
  }
};

/// GELU by erf: max(x, 0) - h(|x|). NaN stays NaN.
struct Gelu : Piecewise<5> {
  Gelu() : Piecewise(kGeluTable) {}
  Floats operator()(Floats x) const { return subtract_from(max(zero(), x), x); }
};

// h(a) by parabolas in a itself on intervals of width 9/32; error 9e-5, below the rounding of bfloat16.
constexpr float kShortWidth = 0.28125f;
constexpr float kShortEnd = 4.3537f;
constexpr float kGeluShortTable[3][16] = {
    {0.0f, 0.001009252f, 0.01627709f, 0.06911095f, 0.1669918f, 0.2869543f, 0.3865086f, 0.4296288f, 0.4061862f,
     0.3332262f, 0.240383f, 0.1539351f, 0.08812743f, 0.04534633f, 0.02106097f, 0.008913242f},
    {0.4998749f, 0.4888556f, 0.4188352f, 0.2694707f, 0.0701784f, -0.1206098f, -0.2506862f, -0.298895f, -0.2772294f,
     -0.2163498f, -0.146779f, -0.08807933f, -0.04724554f, -0.02281025f, -0.009961861f, -0.003975405f},
    {-0.3968389f, -0.3669468f, -0.2860254f, -0.1801182f, -0.07850541f, -0.002573493f, 0.03994044f, 0.05341592f,
     0.048412f, 0.03570871f, 0.0226728f, 0.01270646f, 0.00637117f, 0.002881574f, 0.001182016f, 0.0004444194f}};

struct GeluShort {
  Table16 c0 = load_table(kGeluShortTable[0]), c1 = load_table(kGeluShortTable[1]), c2 = load_table(kGeluShortTable[2]);

  Floats operator()(Floats x) const {
    const Floats a = min_magnitude(x, broadcast(kShortEnd));
    const Floats index = fmadd(a, broadcast(1.0f / kShortWidth), broadcast(kRoundToInteger));
    const Floats p = fmadd(lookup(c2, index), a, lookup(c1, index));
    return fnmadd(p, a, sub(max(zero(), x), lookup(c0, index)));
  }
};

/// Derivative of GELU: h'(|x|) below 0, 1 - h'(x) above.
struct GeluSlope : Piecewise<5> {
  GeluSlope() : Piecewise(kGeluSlopeTable) {}
  Floats operator()(Floats x) const { return add(broadcast(0.5f), copysign(subtract_from(broadcast(0.5f), x), x)); }
};

}  // namespace
}  // namespace retentive::retention::RETENTIVE_KERNEL_ISA
