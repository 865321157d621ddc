#include <vector>

#include <torch/torch.h>

#include <retention/base/op_profile.h>
#include <retention/base/retention_cost.h>
#include <retention/kernels/causal.h>
#include <retention/kernels/causal_backward.h>
#include <retention/ops/detail/elements.h>
#include <retention/ops/detail/gradients.h>
#include <retention/ops/detail/retention_paths.h>
#include <retention/ops/detail/token_rows.h>
#include <retention/ops/memory.h>

namespace retentive::detail {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The tensors of one call as the kernels take them.
struct Inputs {
  Inputs(const Tensor& q_in, const Tensor& k_in, const Tensor& v_in, const Tensor& decay,
         const RetentionOptions& options)
      : q(as_token_rows(q_in)), k(as_token_rows(k_in)), v(as_token_rows(v_in)), log_gamma(decay.contiguous()) {
    if (options.ranges.defined()) {
      const auto ranges = options.ranges.contiguous();
      const auto* at = ranges.const_data_ptr<int64_t>();
      for (int64_t s = 0; s < ranges.size(0); ++s) sequences.push_back({at[2 * s], at[2 * s + 1]});
    } else {
      for (int64_t b = 0; b < q.size(0); ++b) sequences.push_back({b * q.size(1), (b + 1) * q.size(1)});
    }
    problem = {.heads = q.size(2),
               .key_dim = q.size(3),
               .value_dim = v.size(3),
               .scale = options.k_scale,
               .sequences = sequences.data(),
               .sequence_count = static_cast<int64_t>(sequences.size()),
               .log_gamma = log_gamma.const_data_ptr<float>(),
               .chunk = options.chunk};
    if (options.state.defined()) state = options.state.to(at::kFloat).contiguous();
  }

  std::vector<int64_t> state_shape() const {
    return {problem.sequence_count, problem.heads, problem.key_dim, problem.value_dim};
  }
  double macs(Form form) const {
    const auto chunk = retention_chunk(problem.chunk, problem.key_dim, problem.value_dim);
    int64_t sum = 0;
    for (const auto& [begin, end] : sequences) {
      sum += retention_macs({end - begin, problem.key_dim, problem.value_dim, chunk}, form, MaskedProducts::left_out);
    }
    return static_cast<double>(sum * problem.heads);
  }

  Tensor q, k, v, log_gamma, state;
  std::vector<retention::TokenRange> sequences;
  retention::CausalProblem problem;
};

bool kernels_run(const Tensor& q, const Tensor& log_gamma) {
  const auto type = q.scalar_type();
  return q.is_cpu() && (type == at::kFloat || type == at::kBFloat16) && log_gamma.scalar_type() == at::kFloat &&
         q.numel() > 0 && retention::causal_implementation() != nullptr;
}

// One token a row: the states are worked on where they lie.
template <class T>
bool step(const Inputs& in, const Tensor& out, const Tensor& state) {
  std::vector<float*> states;
  const int64_t size = state.numel() / state.size(0);
  for (int64_t row = 0; row < state.size(0); ++row) states.push_back(state.mutable_data_ptr<float>() + row * size);
  return retention::retention_step<T, float>(
      in.problem, {token_rows<T>(in.q), token_rows<T>(in.k), token_rows<T>(in.v), mutable_token_rows<float>(out)},
      states.data(), state.size(0), at::get_num_threads());
}

template <class T>
bool run(const Inputs& in, Form form, const Tensor& out, const Tensor& state) {
  const int threads = at::get_num_threads();
  const auto bytes = form == Form::parallel    ? retention::retention_parallel_workspace_bytes(in.problem, threads)
                     : form == Form::chunkwise ? retention::retention_chunkwise_workspace_bytes(in.problem, threads)
                                               : retention::retention_recurrent_workspace_bytes(in.problem, threads);
  const auto workspace = BufferPool::shared().acquire(static_cast<size_t>(bytes));
  const auto kernel = form == Form::parallel    ? &retention::retention_parallel<T, float>
                      : form == Form::chunkwise ? &retention::retention_chunkwise<T, float>
                                                : &retention::retention_recurrent<T, float>;
  return kernel(in.problem,
                {token_rows<T>(in.q), token_rows<T>(in.k), token_rows<T>(in.v), mutable_token_rows<float>(out)},
                {elements<float>(in.state), mutable_elements<float>(state)}, workspace.get(), threads);
}

RetentionResult run_fast(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_gamma,
                         const RetentionOptions& options) {
  const Inputs in(q, k, v, log_gamma, options);
  const OpTimer timer([&] { return "retention " + std::string(enum_name(options.form)); }, in.macs(options.form),
                      static_cast<double>(q.nbytes() + k.nbytes() + 2 * v.nbytes()));
  auto out = pooled_empty(v.sizes(), at::kFloat);
  if (options.ranges.defined()) out.zero_();
  const bool one_token = q.size(1) == 1 && !options.ranges.defined();
  Tensor state;
  if (one_token) {
    const bool take = options.overwrite_state && in.state.is_same(options.state);
    state = !in.state.defined() ? torch::zeros(in.state_shape()) : take ? in.state : in.state.clone();
  } else {
    state = torch::empty(in.state_shape());
  }
  const bool done = for_element_type(q.scalar_type(), [&](auto type) {
    using T = decltype(type);
    return one_token ? step<T>(in, out, state) : run<T>(in, options.form, out, state);
  });
  return done ? RetentionResult{out, state} : retention_composed(q, k, v, log_gamma, options);
}

// The kernels in both directions, for float. A gradient of the gradient goes through the composed form.
struct Function : torch::autograd::Function<Function> {
  static variable_list forward(AutogradContext* context, const Tensor& q, const Tensor& k, const Tensor& v,
                               const Tensor& state, const Tensor& log_gamma, const Tensor& ranges, int64_t form,
                               int64_t chunk, double k_scale) {
    context->save_for_backward({q, k, v, state, log_gamma, ranges});
    context->saved_data["form"] = form;
    context->saved_data["chunk"] = chunk;
    context->saved_data["k_scale"] = k_scale;
    const at::AutoDispatchBelowAutograd below;
    const auto result = run_fast(q, k, v, log_gamma, options_of(context, state, ranges));
    return {result.out, result.state};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto options = options_of(context, saved[3], saved[5]);
    auto result = at::GradMode::is_enabled() ? composed(saved, options, gradients) : fast(saved, options, gradients);
    result.resize(9);
    return result;
  }

 private:
  static Tensor given(const Tensor& t) { return t.numel() > 0 ? t : Tensor(); }

  static RetentionOptions options_of(AutogradContext* context, const Tensor& state, const Tensor& ranges) {
    return {.form = static_cast<Form>(context->saved_data["form"].toInt()),
            .chunk = context->saved_data["chunk"].toInt(),
            .k_scale = context->saved_data["k_scale"].toDouble(),
            .state = given(state),
            .ranges = given(ranges)};
  }

  static variable_list fast(const variable_list& saved, const RetentionOptions& options,
                            const variable_list& gradients) {
    const Inputs in(saved[0], saved[1], saved[2], saved[4], options);
    const OpTimer timer([] { return std::string("retention gradient"); }, 3 * in.macs(Form::chunkwise));
    const auto dout = as_token_rows(gradients[0]);
    const auto dlast = gradients[1].defined() ? gradients[1].contiguous() : Tensor();
    const auto zeros_or_empty = [&](const Tensor& like) {
      return options.ranges.defined() ? torch::zeros(like.sizes()) : torch::empty(like.sizes());
    };
    const auto dq = zeros_or_empty(in.q), dk = zeros_or_empty(in.k), dv = zeros_or_empty(in.v);
    const auto dinitial = options.state.defined() ? torch::empty(in.state_shape()) : Tensor();
    const int threads = at::get_num_threads();
    const auto bytes = retention::retention_backward_workspace_bytes(in.problem, threads);
    const auto workspace = BufferPool::shared().acquire(static_cast<size_t>(bytes));
    retention::retention_backward(
        in.problem,
        {token_rows<float>(in.q), token_rows<float>(in.k), token_rows<float>(in.v), token_rows<float>(dout),
         mutable_token_rows<float>(dq), mutable_token_rows<float>(dk), mutable_token_rows<float>(dv),
         elements<float>(in.state), elements<float>(dlast),
         dinitial.defined() ? mutable_elements<float>(dinitial) : nullptr},
        workspace.get(), threads);
    return {dq, dk, dv, dinitial};
  }

  // In operators that can be differentiated again.
  static variable_list composed(const variable_list& saved, const RetentionOptions& options,
                                const variable_list& gradients) {
    const auto result = retention_composed(saved[0], saved[1], saved[2], saved[4], options);
    variable_list outputs = {result.out}, given_gradients = {gradients[0]};
    if (gradients[1].defined()) {
      outputs.push_back(result.state);
      given_gradients.push_back(gradients[1]);
    }
    return gradients_of(outputs, {saved[0], saved[1], saved[2], options.state}, given_gradients, true);
  }
};

}  // namespace

bool retention_has_kernel(const Tensor& q, const Tensor& log_gamma) { return kernels_run(q, log_gamma); }

RetentionResult retention_fast(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& log_gamma,
                               const RetentionOptions& options) {
  const auto wants = [](const Tensor& t) { return t.defined() && t.requires_grad(); };
  const bool gradient = at::GradMode::is_enabled() && (wants(q) || wants(k) || wants(v) || wants(options.state));
  if (!gradient) return run_fast(q, k, v, log_gamma, options);
  if (q.scalar_type() != at::kFloat) return retention_composed(q, k, v, log_gamma, options);
  // Undefined tensors cannot pass through a function of autograd: empty ones stand for them.
  const auto or_empty = [](const Tensor& t, at::ScalarType type) { return t.defined() ? t : torch::empty({0}, type); };
  const auto outputs =
      Function::apply(q, k, v, or_empty(options.state, at::kFloat), log_gamma, or_empty(options.ranges, at::kLong),
                      static_cast<int64_t>(options.form), options.chunk, options.k_scale);
  return {outputs[0], outputs[1]};
}

}  // namespace retentive::detail
