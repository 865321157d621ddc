#pragma once

#include <array>
#include <string_view>
#include <utility>

#include <retention/base/enum_names.h>

namespace retentive {

/// What mixes tokens: retention, or softmax attention with the same projections.
enum class MixerKind { retention, attention };

/// Decay rates of the heads: 1 - 2^(-5-h), or log-spaced from 1 - 1/32 to 1 - 1/512.
enum class DecaySchedule { retnet, log_linspace };

template <>
struct EnumNames<MixerKind> {
  static constexpr std::array<std::pair<MixerKind, std::string_view>, 2> table = {
      {{MixerKind::retention, "retention"}, {MixerKind::attention, "attention"}}};
};

template <>
struct EnumNames<DecaySchedule> {
  static constexpr std::array<std::pair<DecaySchedule, std::string_view>, 2> table = {
      {{DecaySchedule::retnet, "retnet"}, {DecaySchedule::log_linspace, "log_linspace"}}};
};

}  // namespace retentive
