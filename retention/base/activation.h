#pragma once

#include <array>
#include <string_view>
#include <utility>

#include <retention/base/enum_names.h>

namespace retentive {

/// Point-wise non-linearities: GELU in its exact erf form, and SiLU (swish, x sigmoid(x)).
enum class Activation { none, gelu, silu };

template <>
struct EnumNames<Activation> {
  static constexpr std::array<std::pair<Activation, std::string_view>, 3> table = {
      {{Activation::none, "none"}, {Activation::gelu, "gelu"}, {Activation::silu, "silu"}}};
};

}  // namespace retentive
