#include <algorithm>
#include <cmath>
#include <string>

#include <omp.h>

#include <retention/base/buffer_pool.h>
#include <retention/base/cpu_isa.h>
#include <retention/base/error.h>
#include <retention/packed/detail/engine.h>
#include <retention/packed/library.h>

namespace retentive::packed {
namespace {

void check_version() {
  const dnnl_version_t* loaded = dnnl_version();
  if (loaded->major == DNNL_VERSION_MAJOR && loaded->minor == DNNL_VERSION_MINOR) return;
  const auto text = [](int major, int minor) { return std::to_string(major) + "." + std::to_string(minor); };
  throw Unsupported("[onednn] version " + text(loaded->major, loaded->minor) + " was loaded but " +
                    text(DNNL_VERSION_MAJOR, DNNL_VERSION_MINOR) +
                    " was compiled against; put the directory of the right libdnnl.so first in LD_LIBRARY_PATH");
}

dnnl::cpu_isa isa_cap() {
  switch (cpu_isa()) {
    case Isa::portable:
      return dnnl::cpu_isa::sse41;
    case Isa::avx2:
      return dnnl::cpu_isa::avx2;
    case Isa::avx512:
      return dnnl::cpu_isa::avx512_core_vnni;
    case Isa::avx512_bf16:
      break;
  }
  return dnnl::cpu_isa::isa_default;
}

dnnl::engine make_engine() {
  check_version();
  // Refused when another part of the process has used oneDNN before; its cap then stands.
  dnnl_set_max_cpu_isa(static_cast<dnnl_cpu_isa_t>(isa_cap()));
  return dnnl::engine(dnnl::engine::kind::cpu, 0);
}

}  // namespace

std::string onednn_version() {
  const dnnl_version_t* loaded = dnnl_version();
  return std::to_string(loaded->major) + "." + std::to_string(loaded->minor) + "." + std::to_string(loaded->patch);
}

const dnnl::engine& engine() {
  static const dnnl::engine instance = make_engine();
  return instance;
}

ThreadScope::ThreadScope(int threads) : previous_(omp_get_max_threads()) {
#ifdef RETENTIVE_STD_THREAD
  threads = 1;  // thread checkers do not know OpenMP's barriers
#endif
  if (threads != previous_) omp_set_num_threads(std::max(threads, 1));
}

ThreadScope::~ThreadScope() {
  if (omp_get_max_threads() != previous_) omp_set_num_threads(previous_);
}

dnnl::memory::data_type data_type(Element element) {
  switch (element) {
    case Element::bf16:
      return dnnl::memory::data_type::bf16;
    case Element::s8:
      return dnnl::memory::data_type::s8;
    case Element::f32:
      break;
  }
  return dnnl::memory::data_type::f32;
}

void append_activation(dnnl::post_ops& chain, Activation activation) {
  if (activation == Activation::gelu) chain.append_eltwise(dnnl::algorithm::eltwise_gelu_erf, 0, 0);
  if (activation == Activation::relu) chain.append_eltwise(dnnl::algorithm::eltwise_relu, 0, 0);
  if (activation == Activation::silu) chain.append_eltwise(dnnl::algorithm::eltwise_swish, 1, 0);
}

void quantise_channels(const float* weight, int64_t channels, int64_t count, int8_t* quantised, float* scales) {
  for (int64_t c = 0; c < channels; ++c, weight += count, quantised += count) {
    float largest = 0;
    for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(weight[i]));
    scales[c] = largest > 0 ? largest / 127.0f : 1.0f;
    for (int64_t i = 0; i < count; ++i) quantised[i] = static_cast<int8_t>(std::lrint(weight[i] / scales[c]));
  }
}

void execute(const dnnl::primitive& primitive, const dnnl::memory::desc& scratchpad,
             std::unordered_map<int, dnnl::memory> arguments) {
  BufferPool::Buffer scratch(nullptr, {});
  if (scratchpad.get_size() > 0) {
    scratch = BufferPool::shared().acquire(scratchpad.get_size());
    arguments.emplace(DNNL_ARG_SCRATCHPAD, dnnl::memory(scratchpad, engine(), scratch.get()));
  }
  thread_local dnnl::stream stream(engine());
  primitive.execute(stream, arguments);
}

void reorder(const dnnl::memory& source, const dnnl::memory& target) {
  const dnnl::reorder primitive(source, target);
  dnnl::stream stream(engine());
  primitive.execute(stream, {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, target}});
}

dnnl::memory reordered(const dnnl::memory& source, const dnnl::memory::desc& desc) {
  dnnl::memory target(desc, engine());
  reorder(source, target);
  return target;
}

void check_not_reference(const std::string& implementation, const std::string& what) {
  if (implementation.find("ref") == std::string::npos) return;
  throw Unsupported("[onednn] " + what + " would run oneDNN's reference code (" + implementation + ")");
}

}  // namespace retentive::packed
