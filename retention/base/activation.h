#pragma once

#include <array>
#include <string_view>
#include <utility>

#include <retention/base/enum_names.h>

namespace retentive {

/// Point-wise non-linearities: GELU in its exact erf form, SiLU (swish, x sigmoid(x)), and ReLU.
enum class Activation { none, gelu, silu, relu };

template <>
struct EnumNames<Activation> {
  static constexpr std::array<std::pair<Activation, std::string_view>, 4> table = {
      {{Activation::none, "none"}, {Activation::gelu, "gelu"}, {Activation::silu, "silu"}, {Activation::relu, "relu"}}};
};

}  // namespace retentive
