#pragma once

#include <string>
#include <unordered_map>

#include <dnnl.hpp>

#include <retention/base/error.h>
#include <retention/packed/element.h>

namespace retentive::packed {

/// The CPU engine, made on first use with the instruction set capped as RETENTIVE_ISA says. Throws Unsupported when
/// the oneDNN that was loaded is not the one whose headers were compiled against.
const dnnl::engine& engine();

/// Threads that oneDNN uses while this lives, in the calling thread only.
class ThreadScope {
 public:
  explicit ThreadScope(int threads);
  ~ThreadScope();
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int previous_;
};

dnnl::memory::data_type data_type(Element element);

/// Appends an activation to the chain of what follows a product.
void append_activation(dnnl::post_ops& chain, Activation activation);

/// Symmetric quantisation of `channels` rows of `count` floats to int8; `scales` [channels].
void quantise_channels(const float* weight, int64_t channels, int64_t count, int8_t* quantised, float* scales);

/// Runs `primitive` with a scratchpad of the calling thread: library-owned scratchpads go wrong when another thread
/// than the creator's runs the primitive.
void execute(const dnnl::primitive& primitive, const dnnl::memory::desc& scratchpad,
             std::unordered_map<int, dnnl::memory> arguments);

/// Content of `source` into `target`, reordered and converted.
void reorder(const dnnl::memory& source, const dnnl::memory& target);

/// A new memory of `desc` with the content of `source`, reordered and converted.
dnnl::memory reordered(const dnnl::memory& source, const dnnl::memory::desc& desc);

/// make(), which describes a primitive; throws Unsupported when oneDNN knows none for `what` in `precision`.
template <class Make>
auto described(const std::string& what, Precision precision, const Make& make) {
  try {
    return make();
  } catch (const dnnl::error& error) {
    throw Unsupported("[onednn] no implementation of " + what + " in " + std::string(enum_name(precision)) +
                      " for this processor: " + error.message);
  }
}

/// Throws Unsupported when oneDNN would run its slow reference code.
void check_not_reference(const std::string& implementation, const std::string& what);

}  // namespace retentive::packed
