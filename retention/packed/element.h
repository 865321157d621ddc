#pragma once

#include <retention/base/activation.h>
#include <retention/base/precision.h>

namespace retentive::packed {

/// Number type of one buffer.
enum class Element { f32, bf16, s8 };

/// The type of the activations that a product of that precision takes.
constexpr Element input_element(Precision precision) {
  return precision == Precision::bf16 ? Element::bf16 : precision == Precision::int8 ? Element::s8 : Element::f32;
}

}  // namespace retentive::packed
