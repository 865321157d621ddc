#pragma once

#include <array>
#include <string_view>
#include <utility>

#include <retention/base/enum_names.h>

namespace retentive {

/// How MaSA applies its spatial decay D. `release` adds log D to the scores before the softmax, which is what the
/// official code does and published weights need; `paper` multiplies the softmax by D (RMT, equation 5).
enum class DecayMode { release, paper };

template <>
struct EnumNames<DecayMode> {
  static constexpr std::array<std::pair<DecayMode, std::string_view>, 2> table = {
      {{DecayMode::release, "release"}, {DecayMode::paper, "paper"}}};
};

}  // namespace retentive
