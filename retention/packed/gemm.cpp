#include <algorithm>
#include <array>

#include <retention/base/error.h>
#include <retention/packed/detail/engine.h>
#include <retention/packed/detail/lru.h>
#include <retention/packed/gemm.h>

namespace retentive::packed {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

// With more, oneDNN works with the stack pointer in heap memory, which the frame of a signal handler would overwrite.
constexpr int64_t kMostInner = 2048;

constexpr size_t kPrimitives = 64;  // the shapes of one training step of a model with four stages

struct Ready {
  dnnl::matmul::primitive_desc desc;
  dnnl::matmul primitive;
};

std::shared_ptr<const Ready> prepare(int64_t rows, int64_t in, int64_t out, bool with_bias) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const auto type = memory::data_type::f32;
  const memory::desc x({rows, in}, type, Tag::ab), y({rows, out}, type, Tag::ab);
  const memory::desc weight({in, out}, type, Tag::ba), bias({1, out}, type, Tag::ab);
  using Desc = dnnl::matmul::primitive_desc;
  const auto desc =
      with_bias ? Desc(engine(), x, weight, bias, y, attributes) : Desc(engine(), x, weight, y, attributes);
  return std::make_shared<const Ready>(Ready{desc, dnnl::matmul(desc)});
}

}  // namespace

void gemm(const GemmShape& shape, const float* a, const float* b, float* c, const GemmCall& call) {
  engine();  // caps the instruction set
  const ThreadScope threads(call.threads);
  const auto [m, n, k, transpose_a, transpose_b] = shape;
  auto status = dnnl_success;
  for (int64_t at = 0; at < k && status == dnnl_success; at += kMostInner) {
    const auto inner = std::min(kMostInner, k - at);
    const bool add = call.accumulate || at > 0;
    status =
        dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, inner, 1.0f, a + (transpose_a ? at * m : at),
                   transpose_a ? m : k, b + (transpose_b ? at : at * n), transpose_b ? k : n, add ? 1.0f : 0.0f, c, n);
  }
  if (status == dnnl_success) return;
  throw Unsupported("[gemm] oneDNN's product of " + std::to_string(m) + " x " + std::to_string(k) + " and " +
                    std::to_string(k) + " x " + std::to_string(n) + " failed with status " + std::to_string(status));
}

void affine(int64_t rows, int64_t in, int64_t out, const float* x, const float* weight, const float* bias, float* y,
            int threads) {
  using Key = std::array<int64_t, 5>;
  static Lru<Key, Ready> primitives(kPrimitives);
  const ThreadScope scope(threads);
  const bool with_bias = bias != nullptr;
  const auto ready =
      primitives.get(Key{rows, in, out, threads, with_bias ? 1 : 0}, [&] { return prepare(rows, in, out, with_bias); });
  const auto& desc = ready->desc;
  const auto argument = [](const memory::desc& of, const float* data) {
    return memory(of, engine(), const_cast<float*>(data));
  };
  std::unordered_map<int, memory> arguments = {{DNNL_ARG_SRC, argument(desc.src_desc(), x)},
                                               {DNNL_ARG_WEIGHTS, argument(desc.weights_desc(), weight)},
                                               {DNNL_ARG_DST, argument(desc.dst_desc(), y)}};
  if (with_bias) arguments.emplace(DNNL_ARG_BIAS, argument(desc.bias_desc(), bias));
  execute(ready->primitive, desc.scratchpad_desc(), std::move(arguments));
}

}  // namespace retentive::packed
