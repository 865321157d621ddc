#pragma once

#include <array>
#include <string_view>
#include <utility>

#include <retention/base/enum_names.h>

namespace retentive {

/// How causal retention is computed; the result is the same. `parallel` takes all tokens at once (quadratic in their
/// number), `recurrent` one after the other, `chunkwise` a chunk at a time with a state between chunks (linear).
enum class Form { parallel, recurrent, chunkwise, auto_ };

/// The scalar of each row before the norm of a language retention head. `exact`: 1/sqrt(s_n) in every form, so that
/// forms agree. `torchscale`: what each form of the official code has, for comparison with it.
enum class Normalization { exact, torchscale };

/// Which channels a rotation pairs: 2j with 2j + 1, or j with j + dim / 2.
enum class RotaryStyle { interleaved, half_split };

template <>
struct EnumNames<Form> {
  static constexpr std::array<std::pair<Form, std::string_view>, 4> table = {{{Form::parallel, "parallel"},
                                                                              {Form::recurrent, "recurrent"},
                                                                              {Form::chunkwise, "chunkwise"},
                                                                              {Form::auto_, "auto"}}};
};

template <>
struct EnumNames<Normalization> {
  static constexpr std::array<std::pair<Normalization, std::string_view>, 2> table = {
      {{Normalization::exact, "exact"}, {Normalization::torchscale, "torchscale"}}};
};

template <>
struct EnumNames<RotaryStyle> {
  static constexpr std::array<std::pair<RotaryStyle, std::string_view>, 2> table = {
      {{RotaryStyle::interleaved, "interleaved"}, {RotaryStyle::half_split, "half_split"}}};
};

}  // namespace retentive
