#include <retention/packed/detail/linear_impl.h>

namespace retentive::packed {

Linear::Linear(int64_t in, int64_t out, Precision precision, const float* weight, const float* bias)
    : impl_(precision == Precision::int4 ? Impl::int4(in, out, weight, bias)
                                         : Impl::onednn(in, out, precision, weight, bias)) {}

Linear::~Linear() = default;

void Linear::run(int64_t rows, const void* x, const float* row_scales, void* y, const LinearCall& call) const {
  if (rows > 0) impl_->run(rows, x, row_scales, y, call);
}

int64_t Linear::in() const { return impl_->in_; }
int64_t Linear::out() const { return impl_->out_; }
Precision Linear::precision() const { return impl_->precision_; }
std::string Linear::implementation() const { return impl_->implementation(); }
int64_t Linear::bytes() const { return impl_->bytes(); }

}  // namespace retentive::packed
