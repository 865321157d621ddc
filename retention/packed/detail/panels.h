#pragma once

#include <optional>
#include <string>

#include <dnnl.hpp>

#include <retention/base/precision.h>
#include <retention/kernels/few_rows.h>

namespace retentive::packed {

/// The panels of packed weights, the last two dimensions of `weights` being [in, out]; nothing, with the reason in
/// `declined`, when oneDNN chose another layout.
std::optional<retention::PanelWeights> panels_of(const dnnl::memory& weights, Precision precision,
                                                 std::string& declined);

}  // namespace retentive::packed
