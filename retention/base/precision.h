#pragma once

#include <array>
#include <string_view>
#include <utility>

#include <retention/base/enum_names.h>

namespace retentive {

/// Number type of weights and products in inference. Norm statistics, softmax, decay, residual stream and logits are
/// float32 in all of them. int4 is for language models only.
enum class Precision { fp32, bf16, int8, int4 };

template <>
struct EnumNames<Precision> {
  static constexpr std::array<std::pair<Precision, std::string_view>, 4> table = {
      {{Precision::fp32, "fp32"}, {Precision::bf16, "bf16"}, {Precision::int8, "int8"}, {Precision::int4, "int4"}}};
};

}  // namespace retentive
