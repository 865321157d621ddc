#include <retention/base/error.h>
#include <retention/packed/conv2d.h>
#include <retention/packed/detail/engine.h>
#include <retention/packed/detail/lru.h>

namespace retentive::packed {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

constexpr size_t kPrimitives = 8;
constexpr int64_t kPackSide = 56;  // map that the layout of the weights is asked for with

struct Ready {
  dnnl::convolution_forward::primitive_desc desc;
  dnnl::convolution_forward primitive;
  memory weights;
};

}  // namespace

class Conv2d::Impl {
 public:
  Impl(const Conv2dShape& shape, Precision precision, const float* weight, const float* bias)
      : shape_(shape), precision_(precision), primitives_(kPrimitives) {
    if (precision != Precision::fp32 && precision != Precision::bf16) {
      throw Unsupported("[conv2d] convolutions run in fp32 and bf16, not in " + std::string(enum_name(precision)));
    }
    bias_ = memory({{shape_.out_channels}, memory::data_type::f32, Tag::a}, engine());
    std::copy_n(bias, shape_.out_channels, static_cast<float*>(bias_.get_data_handle()));
    const auto what = "a convolution of " + std::to_string(shape.in_channels) + " to " +
                      std::to_string(shape.out_channels) + " channels";
    const Conv2dCall call{.height = kPackSide, .width = kPackSide};
    const auto desc = described(what, precision, [&] { return describe(call); });
    implementation_ = "oneDNN " + std::string(desc.impl_info_str());
    check_not_reference(desc.impl_info_str(), what);
    weights_ = pack(weight, desc.weights_desc());
  }

  void run(const void* x, void* y, const Conv2dCall& call) {
    const ThreadScope threads(call.threads);
    const auto ready = primitives_.get(call, [&] { return prepare(call); });
    const auto& desc = ready->desc;
    std::unordered_map<int, memory> arguments = {
        {DNNL_ARG_SRC, memory(desc.src_desc(), engine(), const_cast<void*>(x))},
        {DNNL_ARG_WEIGHTS, ready->weights},
        {DNNL_ARG_BIAS, bias_},
        {DNNL_ARG_DST, memory(desc.dst_desc(), engine(), y)}};
    execute(ready->primitive, desc.scratchpad_desc(), std::move(arguments));
  }

  Conv2dShape shape_;
  Precision precision_;
  std::string implementation_;
  memory weights_;

 private:
  dnnl::convolution_forward::primitive_desc describe(const Conv2dCall& call) const {
    const auto element = data_type(input_element(precision_));
    const auto [in, out, kernel, stride] = shape_;
    const int64_t pad = kernel / 2;
    const auto side = [&](int64_t n) { return (n + 2 * pad - kernel) / stride + 1; };
    const memory::desc x({call.batch, in, call.height, call.width}, element, Tag::nhwc);
    const memory::desc weights({out, in, kernel, kernel}, element, Tag::any);
    const memory::desc y({call.batch, out, side(call.height), side(call.width)}, data_type(call.output), Tag::nhwc);
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    dnnl::post_ops chain;
    append_activation(chain, call.activation);
    attributes.set_post_ops(chain);
    return {engine(),
            dnnl::prop_kind::forward_inference,
            dnnl::algorithm::convolution_direct,
            x,
            weights,
            bias_.get_desc(),
            y,
            {stride, stride},
            {pad, pad},
            {pad, pad},
            attributes};
  }

  std::shared_ptr<const Ready> prepare(const Conv2dCall& call) const {
    const auto desc = describe(call);
    auto weights = desc.weights_desc() == weights_.get_desc() ? weights_ : reordered(weights_, desc.weights_desc());
    return std::make_shared<const Ready>(Ready{desc, dnnl::convolution_forward(desc), std::move(weights)});
  }

  memory pack(const float* weight, const memory::desc& desc) {
    const memory::dims dims = {shape_.out_channels, shape_.in_channels, shape_.kernel, shape_.kernel};
    const memory::desc plain(dims, memory::data_type::f32, Tag::oihw);
    return reordered(memory(plain, engine(), const_cast<float*>(weight)), desc);
  }

  memory bias_;
  Lru<Conv2dCall, Ready> primitives_;
};

Conv2d::Conv2d(const Conv2dShape& shape, Precision precision, const float* weight, const float* bias)
    : impl_(std::make_unique<Impl>(shape, precision, weight, bias)) {}

Conv2d::~Conv2d() = default;

void Conv2d::run(const void* x, void* y, const Conv2dCall& call) const { impl_->run(x, y, call); }

const Conv2dShape& Conv2d::shape() const { return impl_->shape_; }
Precision Conv2d::precision() const { return impl_->precision_; }
std::string Conv2d::implementation() const { return impl_->implementation_; }
int64_t Conv2d::bytes() const { return static_cast<int64_t>(impl_->weights_.get_desc().get_size()); }

}  // namespace retentive::packed
