#include <cstdlib>
#include <vector>

#include <retention/base/buffer_pool.h>
#include <retention/base/error.h>
#include <retention/base/parallel_for.h>
#include <retention/kernels/int4.h>
#include <retention/packed/detail/linear_impl.h>

namespace retentive::packed {
namespace {

class Int4LinearMap : public Linear::Impl {
 public:
  Int4LinearMap(int64_t in, int64_t out, const float* weight, const float* bias) : Impl(in, out, Precision::int4) {
    std::vector<retention::Declined> declined;
    run_ = retention::int4_linear(&declined);
    if (run_ == nullptr) throw Unsupported("[linear] int4 needs AVX2: " + declined.back().reason + "; use fp32");
    if (bias != nullptr) bias_.assign(bias, bias + out);
    weights_ = {.in = in, .out = out};
    values_ = allocate_weights(weights_.bytes());
    auto* const values = static_cast<uint8_t*>(values_.get());
    retention::int4_pack(weights_, weight, values, default_threads());
    weights_.values = values;
  }

  void run(int64_t rows, const void* x, const float*, void* y, const LinearCall& call) override {
    const retention::Int4Problem problem{rows, weights_};
    const auto scratch = BufferPool::shared().acquire(static_cast<size_t>(retention::int4_scratch(problem)));
    const auto output = linear_output(y, bias_.empty() ? nullptr : bias_.data(), call);
    run_(problem, static_cast<const float*>(x), output, scratch.get(), call.threads);
  }

  std::string implementation() const override { return "int4 kernel"; }
  int64_t bytes() const override { return weights_.bytes(); }

 private:
  retention::Int4Linear run_ = nullptr;
  retention::Int4Weights weights_;
  WeightMemory values_;
  std::vector<float> bias_;
};

}  // namespace

std::unique_ptr<Linear::Impl> Linear::Impl::int4(int64_t in, int64_t out, const float* weight, const float* bias) {
  return std::make_unique<Int4LinearMap>(in, out, weight, bias);
}

}  // namespace retentive::packed
