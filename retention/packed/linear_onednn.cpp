#include <algorithm>
#include <optional>
#include <vector>

#include <retention/base/error.h>
#include <retention/packed/detail/engine.h>
#include <retention/packed/detail/linear_impl.h>
#include <retention/packed/detail/lru.h>
#include <retention/packed/detail/panels.h>

namespace retentive::packed {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

constexpr size_t kPrimitives = 16;
constexpr int64_t kPackRows = 256;  // rows that the layout of the weights is asked for with

struct Key {
  int64_t rows;
  LinearCall call;
  bool operator==(const Key&) const = default;
};

struct Ready {
  dnnl::matmul::primitive_desc desc;
  dnnl::matmul primitive;
};

retention::FewRowsType few_rows_type(Precision precision) {
  return precision == Precision::fp32   ? retention::FewRowsType::f32
         : precision == Precision::bf16 ? retention::FewRowsType::bf16
                                        : retention::FewRowsType::s8;
}

// -128 times the sums of the rows of a matrix [rows, count].
std::vector<int32_t> compensation_of(const std::vector<int8_t>& values, int64_t rows, int64_t count) {
  std::vector<int32_t> sums(rows);
  for (int64_t i = 0; i < rows * count; ++i) sums[i / count] -= 128 * values[i];
  return sums;
}

// Products of oneDNN, and a kernel of our own for few rows where it knows the layout that oneDNN packs the weights in.
class OneDnnLinear : public Linear::Impl {
 public:
  OneDnnLinear(int64_t in, int64_t out, Precision precision, const float* weight, const float* bias)
      : Impl(in, out, precision), has_bias_(bias != nullptr), primitives_(kPrimitives) {
    bias_ = memory(int8() ? memory::desc({1, 1, out_}, memory::data_type::f32, Tag::abc)
                          : memory::desc({1, out_}, memory::data_type::f32, Tag::ab),
                   engine());
    if (has_bias_) std::copy_n(bias, out_, static_cast<float*>(bias_.get_data_handle()));
    const auto what = "a linear map of " + std::to_string(in) + " to " + std::to_string(out);
    const auto desc = described(what, precision, [&] { return describe({kPackRows, {}}); });
    implementation_ = "oneDNN " + std::string(desc.impl_info_str());
    check_not_reference(desc.impl_info_str(), what);
    weights_ = pack(weight, desc.weights_desc());
    choose_few_rows();
  }

  void run(int64_t rows, const void* x, const float* row_scales, void* y, const LinearCall& call) override {
    if (rows <= retention::kFewRows && few_rows_ != nullptr) return run_few(rows, x, row_scales, y, call);
    const ThreadScope threads(call.threads);
    const auto ready = primitives_.get({rows, call}, [&] { return prepare({rows, call}); });
    const auto& desc = ready->desc;
    std::unordered_map<int, memory> arguments = {
        {DNNL_ARG_SRC, memory(desc.src_desc(), engine(), const_cast<void*>(x))},
        {DNNL_ARG_WEIGHTS, weights_},
        {DNNL_ARG_DST, memory(desc.dst_desc(), engine(), y)}};
    if (int8()) {
      const memory::desc scales = row_scale_desc(rows);
      arguments.emplace(DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS, scales_);
      arguments.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1,
                        memory(scales, engine(), const_cast<float*>(row_scales)));
      if (has_bias_) arguments.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(1) | DNNL_ARG_SRC_1, bias_);
    } else if (has_bias_) {
      arguments.emplace(DNNL_ARG_BIAS, bias_);
    }
    execute(ready->primitive, desc.scratchpad_desc(), std::move(arguments));
  }

  std::string implementation() const override { return implementation_; }
  int64_t bytes() const override { return static_cast<int64_t>(weights_.get_desc().get_size()); }

 private:
  bool int8() const { return precision_ == Precision::int8; }
  const float* floats(const memory& of) const { return static_cast<const float*>(of.get_data_handle()); }

  void choose_few_rows() {
    std::string reason;
    const auto panels = panels_of(weights_, precision_, reason);
    if (panels) {
      panels_ = *panels;
      std::vector<retention::Declined> declined;
      few_rows_ = retention::few_rows(few_rows_type(precision_), &declined);
      if (few_rows_ == nullptr) reason = declined.back().reason;
    }
    implementation_ += few_rows_ == nullptr ? ", also for few rows: " + reason : " + streaming";
  }

  void run_few(int64_t rows, const void* x, const float* row_scales, void* y, const LinearCall& call) const {
    const retention::FewRowsProblem problem{
        rows, panels_, {row_scales, int8() ? floats(scales_) : nullptr, compensation_.data()}};
    few_rows_(problem, x, linear_output(y, has_bias_ ? floats(bias_) : nullptr, call), call.threads);
  }

  // oneDNN multiplies rows by a vector fast only with three dimensions, so int8 products are batches of one.
  memory::desc row_scale_desc(int64_t rows) const { return {{1, rows, 1}, memory::data_type::f32, Tag::abc}; }

  // The layout that the weights have; oneDNN's choice before they are packed.
  memory::desc weights_desc(const memory::dims& dims) const {
    if (weights_) return weights_.get_desc();
    return {dims, data_type(input_element(precision_)), Tag::any};
  }

  dnnl::matmul::primitive_desc describe(const Key& key) const {
    const auto element = data_type(input_element(precision_)), output = data_type(key.call.output);
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    dnnl::post_ops chain;
    if (int8()) {
      attributes.set_scales_mask(DNNL_ARG_WEIGHTS, 1 << 2);
      chain.append_binary(dnnl::algorithm::binary_mul, row_scale_desc(key.rows));
      if (has_bias_) chain.append_binary(dnnl::algorithm::binary_add, bias_.get_desc());
    }
    append_activation(chain, key.call.activation);
    if (key.call.accumulate) chain.append_sum(1.0f);
    attributes.set_post_ops(chain);
    if (int8()) {
      const memory::desc x({1, key.rows, in_}, element, Tag::abc), y({1, key.rows, out_}, output, Tag::abc);
      return {engine(), x, weights_desc({1, in_, out_}), y, attributes};
    }
    const memory::desc x({key.rows, in_}, element, Tag::ab), y({key.rows, out_}, output, Tag::ab);
    const memory::desc weights = weights_desc({in_, out_});
    if (!has_bias_) return {engine(), x, weights, y, attributes};
    return {engine(), x, weights, bias_.get_desc(), y, attributes};
  }

  std::shared_ptr<const Ready> prepare(const Key& key) const {
    const auto desc = describe(key);
    return std::make_shared<const Ready>(Ready{desc, dnnl::matmul(desc)});
  }

  memory pack(const float* weight, const memory::desc& desc) {
    memory_ = allocate_weights(static_cast<int64_t>(desc.get_size()));
    memory packed(desc, engine(), memory_.get());
    if (!int8()) {
      const memory::desc plain({in_, out_}, memory::data_type::f32, Tag::ba);  // [out, in] in memory
      reorder(memory(plain, engine(), const_cast<float*>(weight)), packed);
      return packed;
    }
    std::vector<int8_t> quantised(in_ * out_);
    scales_ = memory({{out_}, memory::data_type::f32, Tag::a}, engine());
    quantise_channels(weight, out_, in_, quantised.data(), static_cast<float*>(scales_.get_data_handle()));
    compensation_ = compensation_of(quantised, out_, in_);
    const memory::desc plain({1, in_, out_}, memory::data_type::s8, Tag::acb);
    reorder(memory(plain, engine(), quantised.data()), packed);
    return packed;
  }

  const bool has_bias_;
  std::string implementation_;
  WeightMemory memory_;
  memory weights_;
  memory bias_;
  memory scales_;
  std::vector<int32_t> compensation_;
  retention::PanelWeights panels_;
  retention::FewRows few_rows_ = nullptr;
  Lru<Key, Ready> primitives_;
};

}  // namespace

std::unique_ptr<Linear::Impl> Linear::Impl::onednn(int64_t in, int64_t out, Precision precision, const float* weight,
                                                   const float* bias) {
  return std::make_unique<OneDnnLinear>(in, out, precision, weight, bias);
}

}  // namespace retentive::packed
