#include <vector>

#include <retention/base/error.h>
#include <retention/packed/detail/engine.h>
#include <retention/packed/detail/lru.h>
#include <retention/packed/linear.h>

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

}  // namespace

class Linear::Impl {
 public:
  Impl(int64_t in, int64_t out, Precision precision, const float* weight, const float* bias)
      : in_(in), out_(out), precision_(precision), has_bias_(bias != nullptr), primitives_(kPrimitives) {
    if (precision == Precision::int4) throw Unsupported("[linear] int4 is for language models; use int8");
    const bool int8 = precision == Precision::int8;
    bias_ = memory(int8 ? memory::desc({1, 1, out_}, memory::data_type::f32, Tag::abc)
                        : memory::desc({1, out_}, memory::data_type::f32, Tag::ab),
                   engine());
    if (has_bias_) std::copy_n(bias, out_, static_cast<float*>(bias_.get_data_handle()));
    const auto what = "a linear map of " + std::to_string(in) + " to " + std::to_string(out);
    const auto desc = described(what, precision, [&] { return describe({kPackRows, {}}); });
    implementation_ = desc.impl_info_str();
    check_not_reference(implementation_, what);
    weights_ = pack(weight, desc.weights_desc());
  }

  void run(int64_t rows, const void* x, const float* row_scales, void* y, const LinearCall& call) {
    if (rows == 0) return;
    const ThreadScope threads(call.threads);
    const auto ready = primitives_.get({rows, call}, [&] { return prepare({rows, call}); });
    const auto& desc = ready->desc;
    std::unordered_map<int, memory> arguments = {
        {DNNL_ARG_SRC, memory(desc.src_desc(), engine(), const_cast<void*>(x))},
        {DNNL_ARG_WEIGHTS, weights_},
        {DNNL_ARG_DST, memory(desc.dst_desc(), engine(), y)}};
    if (precision_ == Precision::int8) {
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

  int64_t in_;
  int64_t out_;
  Precision precision_;
  std::string implementation_;
  memory weights_;

 private:
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
    const bool int8 = precision_ == Precision::int8;
    if (int8) {
      attributes.set_scales_mask(DNNL_ARG_WEIGHTS, 1 << 2);
      chain.append_binary(dnnl::algorithm::binary_mul, row_scale_desc(key.rows));
      if (has_bias_) chain.append_binary(dnnl::algorithm::binary_add, bias_.get_desc());
    }
    append_activation(chain, key.call.activation);
    if (key.call.accumulate) chain.append_sum(1.0f);
    attributes.set_post_ops(chain);
    if (int8) {
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
    const memory::desc plain({in_, out_}, memory::data_type::f32, Tag::ba);  // [out, in] in memory
    if (precision_ != Precision::int8) return reordered(memory(plain, engine(), const_cast<float*>(weight)), desc);
    std::vector<int8_t> quantised(in_ * out_);
    scales_ = memory({{out_}, memory::data_type::f32, Tag::a}, engine());
    quantise_channels(weight, out_, in_, quantised.data(), static_cast<float*>(scales_.get_data_handle()));
    const memory::desc plain_int8({1, in_, out_}, memory::data_type::s8, Tag::acb);
    return reordered(memory(plain_int8, engine(), quantised.data()), desc);
  }

  bool has_bias_;
  memory bias_;
  memory scales_;
  Lru<Key, Ready> primitives_;
};

Linear::Linear(int64_t in, int64_t out, Precision precision, const float* weight, const float* bias)
    : impl_(std::make_unique<Impl>(in, out, precision, weight, bias)) {}

Linear::~Linear() = default;

void Linear::run(int64_t rows, const void* x, const float* row_scales, void* y, const LinearCall& call) const {
  impl_->run(rows, x, row_scales, y, call);
}

int64_t Linear::in() const { return impl_->in_; }
int64_t Linear::out() const { return impl_->out_; }
Precision Linear::precision() const { return impl_->precision_; }
std::string Linear::implementation() const { return impl_->implementation_; }
int64_t Linear::bytes() const { return static_cast<int64_t>(impl_->weights_.get_desc().get_size()); }

}  // namespace retentive::packed
