#include <string>
#include <tuple>

#include <torch/library.h>
#include <torch/torch.h>

#include <retention/ops/attention.h>
#include <retention/ops/head_norm.h>
#include <retention/ops/retention.h>

// Python and TorchScript see the ops of language models under these names.
namespace retentive {
namespace {

using at::Tensor;
using Pair = std::tuple<Tensor, Tensor>;
using OptionalTensor = std::optional<Tensor>;

template <Form kForm>
Pair retention_of_form(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_gamma, double k_scale,
                       const OptionalTensor& state, const OptionalTensor& ranges) {
  const auto result = causal_retention(
      q, k, v, log_gamma,
      {.form = kForm, .k_scale = k_scale, .state = state.value_or(Tensor()), .ranges = ranges.value_or(Tensor())});
  return {result.out, result.state};
}

Pair retention_chunkwise(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_gamma, double k_scale,
                         int64_t chunk, const OptionalTensor& state, const OptionalTensor& ranges) {
  const auto result = causal_retention(q, k, v, log_gamma,
                                       {.form = Form::chunkwise,
                                        .chunk = chunk,
                                        .k_scale = k_scale,
                                        .state = state.value_or(Tensor()),
                                        .ranges = ranges.value_or(Tensor())});
  return {result.out, result.state};
}

Tensor gate(const Tensor& x, const Tensor& gate, const Tensor& eps, const OptionalTensor& weight) {
  return head_norm_gate(x, gate, eps, weight.value_or(Tensor()));
}

constexpr const char* kInputs = "(Tensor q, Tensor k, Tensor v, Tensor log_gamma, float k_scale=1.0, ";
constexpr const char* kRest = "Tensor? state=None, Tensor? ranges=None) -> (Tensor out, Tensor state)";

}  // namespace

TORCH_LIBRARY_FRAGMENT(retentive, m) {
  const auto define = [&m](const std::string& schema, auto* function) {
    m.def(schema.c_str(), torch::dispatch(c10::DispatchKey::CompositeImplicitAutograd, function));
  };
  define(std::string("retention_parallel") + kInputs + kRest, retention_of_form<Form::parallel>);
  define(std::string("retention_recurrent") + kInputs + kRest, retention_of_form<Form::recurrent>);
  define(std::string("retention_chunkwise") + kInputs + "int chunk=512, " + kRest, retention_chunkwise);
  define("head_norm_gate(Tensor x, Tensor gate, Tensor eps, Tensor? weight=None) -> Tensor", gate);
  define("attention_decode(Tensor q, Tensor k, Tensor v) -> Tensor", attention_decode);
}

}  // namespace retentive
