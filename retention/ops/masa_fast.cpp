#include <torch/torch.h>

#include <retention/base/op_profile.h>
#include <retention/kernels/masa.h>
#include <retention/kernels/masa_backward.h>
#include <retention/ops/detail/elements.h>
#include <retention/ops/detail/masa_paths.h>
#include <retention/ops/detail/rotary_cache.h>
#include <retention/ops/detail/shape_text.h>
#include <retention/ops/masa.h>
#include <retention/ops/memory.h>

namespace retentive::detail {
namespace {

using at::Tensor;

retention::MasaProblem problem_of(const MasaArguments& a) {
  return {.batch = a.q.size(0),
          .height = a.q.size(1),
          .width = a.q.size(2),
          .heads = a.q.size(3),
          .head_dim = a.q.size(4),
          .k_scale = a.k_scale,
          .decay_mode = a.mode};
}

// x with its heads side by side and its tokens at one distance, which `stride` receives.
Tensor as_tokens(const Tensor& x, int64_t& stride) {
  stride = x.size(2) > 1 ? x.stride(2) : x.size(1) > 1 ? x.stride(1) : x.size(3) * x.size(4);
  const bool heads = x.stride(4) == 1 && (x.size(3) == 1 || x.stride(3) == x.size(4));
  const bool rows = x.size(1) == 1 || x.stride(1) == stride * x.size(2);
  const bool batches = x.size(0) == 1 || x.stride(0) == stride * x.size(1) * x.size(2);
  if (heads && rows && batches) return x;
  stride = x.size(3) * x.size(4);
  return x.contiguous();
}

struct Inputs {
  explicit Inputs(const MasaArguments& a)
      : problem(problem_of(a)),
        q(as_tokens(a.q, strides.q)),
        k(as_tokens(a.k, strides.k)),
        v(as_tokens(a.v, strides.v)),
        log_gamma(a.log_gamma.contiguous()),
        tables(rotary_tables(a.angle, a.q.size(1) * a.q.size(2))) {
    strides.out = a.q.size(3) * a.q.size(4);
  }

  retention::MasaProblem problem;
  retention::MasaStrides strides;
  Tensor q, k, v, log_gamma;
  std::shared_ptr<const RotaryTables> tables;
};

template <class T>
bool run(const Inputs& in, bool decomposed, const Tensor& out) {
  const int threads = at::get_num_threads();
  const auto bytes = decomposed ? retention::masa_decomposed_workspace_bytes(in.problem, threads)
                                : retention::masa_workspace_bytes(in.problem, threads);
  const auto workspace = BufferPool::shared().acquire(static_cast<size_t>(bytes));
  const auto kernel = decomposed ? &retention::masa_decomposed<T> : &retention::masa<T>;
  return kernel(in.problem, in.strides, elements<T>(in.q), elements<T>(in.k), elements<T>(in.v),
                elements<float>(in.log_gamma), in.tables->view(), mutable_elements<T>(out), workspace.get(), threads);
}

// Names and multiply-accumulates of one call, for profiles.
std::string operation(const Tensor& q, bool decomposed, const char* suffix) {
  return std::string(decomposed ? "masa decomposed" : "masa full") + suffix + " " + map_text(q);
}

double macs_of(const Tensor& q, bool decomposed) {
  const auto keys = decomposed ? q.size(1) + q.size(2) : q.size(1) * q.size(2);
  return 2.0 * static_cast<double>(q.numel()) * static_cast<double>(keys);
}

// dq, dk, dv; empty when no kernel runs here.
std::vector<Tensor> run_backward(const Inputs& in, bool decomposed, const Tensor& dout) {
  const OpTimer timer([&] { return operation(in.q, decomposed, " gradient"); }, 2 * macs_of(in.q, decomposed));
  const int threads = at::get_num_threads();
  const auto bytes = decomposed ? retention::masa_decomposed_backward_workspace_bytes(in.problem, threads)
                                : retention::masa_backward_workspace_bytes(in.problem, threads);
  const auto workspace = BufferPool::shared().acquire(static_cast<size_t>(bytes));
  const auto kernel = decomposed ? &retention::masa_decomposed_backward : &retention::masa_backward;
  const auto compact = in.strides.out;
  std::vector<Tensor> gradients;
  for (const auto* x : {&in.q, &in.k, &in.v}) gradients.push_back(at::empty(x->sizes(), x->options()));
  // Gradients are compact: so must be the inputs, whose strides the kernel shares with them.
  const auto q = in.q.contiguous(), k = in.k.contiguous(), v = in.v.contiguous(), grad = dout.contiguous();
  const bool done = kernel(in.problem, {compact, compact, compact, compact}, elements<float>(q), elements<float>(k),
                           elements<float>(v), elements<float>(in.log_gamma), in.tables->view(), elements<float>(grad),
                           mutable_elements<float>(gradients[0]), mutable_elements<float>(gradients[1]),
                           mutable_elements<float>(gradients[2]), workspace.get(), threads);
  return done ? gradients : std::vector<Tensor>{};
}

std::vector<Tensor> composed_gradients(MasaArguments a, bool decomposed, const Tensor& dout) {
  const at::AutoGradMode enabled(true);
  const bool differentiable = dout.requires_grad();
  if (!differentiable) {
    for (auto* x : {&a.q, &a.k, &a.v}) *x = x->detach().requires_grad_();
  }
  return torch::autograd::grad({masa_composed(a, decomposed)}, {a.q, a.k, a.v}, {dout}, std::nullopt, true);
}

// The kernels in both directions. A gradient of the gradient goes through the composed form.
struct Function : torch::autograd::Function<Function> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& q, const Tensor& k, const Tensor& v,
                        const Tensor& log_gamma, const Tensor& angle, double k_scale, int64_t mode, bool decomposed) {
    context->save_for_backward({q, k, v, log_gamma, angle});
    context->saved_data["k_scale"] = k_scale;
    context->saved_data["mode"] = mode;
    context->saved_data["decomposed"] = decomposed;
    const at::AutoDispatchBelowAutograd below;
    return masa_fast({q, k, v, log_gamma, angle, k_scale, static_cast<DecayMode>(mode)}, decomposed);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& dout) {
    const auto saved = context->get_saved_variables();
    const MasaArguments arguments{saved[0],
                                  saved[1],
                                  saved[2],
                                  saved[3],
                                  saved[4],
                                  context->saved_data["k_scale"].toDouble(),
                                  static_cast<DecayMode>(context->saved_data["mode"].toInt())};
    const bool decomposed = context->saved_data["decomposed"].toBool();
    std::vector<Tensor> gradients;
    if (!at::GradMode::is_enabled()) gradients = run_backward(Inputs(arguments), decomposed, dout[0]);
    if (gradients.empty()) gradients = composed_gradients(arguments, decomposed, dout[0]);
    gradients.resize(8);
    return gradients;
  }
};

}  // namespace

Tensor masa_fast(const MasaArguments& arguments, bool decomposed) {
  const auto type = arguments.q.scalar_type();
  if (type != at::kFloat && type != at::kBFloat16) return {};
  if (retention::masa_implementation<float>() == nullptr) return {};
  const OpTimer timer([&] { return operation(arguments.q, decomposed, ""); }, macs_of(arguments.q, decomposed),
                      4.0 * static_cast<double>(arguments.q.nbytes()));
  const Inputs inputs(arguments);
  auto out = pooled_empty(arguments.q.sizes(), type);
  const bool done =
      for_element_type(type, [&](auto element) { return run<decltype(element)>(inputs, decomposed, out); });
  return done ? out : Tensor{};
}

Tensor masa_with_gradient(const MasaArguments& a, bool decomposed) {
  const bool kernels = a.q.scalar_type() == at::kFloat && retention::masa_implementation<float>() != nullptr;
  if (!kernels) return masa_composed(a, decomposed);
  return Function::apply(a.q, a.k, a.v, a.log_gamma, a.angle, a.k_scale, static_cast<int64_t>(a.mode), decomposed);
}

}  // namespace retentive::detail

namespace retentive {

std::string masa_implementation(at::ScalarType type, std::string& reason) {
  std::vector<retention::Declined> declined;
  const char* name = nullptr;
  detail::for_element_type(type, [&](auto element) {
    name = retention::masa_implementation<decltype(element)>(&declined);
    return true;
  });
  for (const auto& other : declined) {
    reason += (reason.empty() ? "" : "; ") + other.implementation + ": " + other.reason;
  }
  return name == nullptr ? "ATen" : "kernel " + std::string(name);
}

}  // namespace retentive
