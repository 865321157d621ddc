#include <retention/packed/detail/panels.h>

namespace retentive::packed {
namespace {

using Dims = dnnl::memory::dims;

std::string text(const Dims& dims) {
  std::string all = "[";
  for (size_t i = 0; i < dims.size(); ++i) all += (i > 0 ? ", " : "") + std::to_string(dims[i]);
  return all + "]";
}

}  // namespace

std::optional<retention::PanelWeights> panels_of(const dnnl::memory& weights, Precision precision,
                                                 std::string& declined) {
  constexpr int64_t rows_of_block = 16, width = retention::kPanelWidth;
  const auto desc = weights.get_desc();
  const int64_t pack = precision == Precision::fp32 ? 1 : precision == Precision::bf16 ? 2 : 4;
  const int out = desc.get_ndims() - 1, in = out - 1;
  const Dims blocks = desc.get_inner_blks(), order = desc.get_inner_idxs(), strides = desc.get_strides();
  const Dims wanted = pack == 1 ? Dims{rows_of_block, width} : Dims{rows_of_block, width, pack};
  const Dims wanted_order = pack == 1 ? Dims{in, out} : Dims{in, out, in};
  const bool is_panels = desc.get_format_kind() == dnnl::memory::format_kind::blocked && blocks == wanted &&
                         order == wanted_order && strides[in] == rows_of_block * width * pack;
  if (!is_panels) {
    declined = "oneDNN packs by " + (blocks.empty() ? "rows" : text(blocks)) + ", not by " + text(wanted);
    return std::nullopt;
  }
  return retention::PanelWeights{.in = desc.get_dims()[in],
                                 .out = desc.get_dims()[out],
                                 .panel_stride = strides[out] / pack,
                                 .words = static_cast<const float*>(weights.get_data_handle())};
}

}  // namespace retentive::packed
