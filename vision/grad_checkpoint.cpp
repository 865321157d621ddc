#include <mutex>
#include <utility>

#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <vision/grad_checkpoint.h>

namespace retentive::vision {
namespace {

using Body = std::function<torch::Tensor(const torch::Tensor&)>;

torch::Tensor random_state(at::Generator& generator) {
  std::lock_guard lock(generator.mutex());
  return generator.get_state();
}

void set_random_state(at::Generator& generator, const torch::Tensor& state) {
  std::lock_guard lock(generator.mutex());
  generator.set_state(state);
}

struct RecomputeNode : torch::autograd::Node {
  RecomputeNode(Body body, const torch::Tensor& x, at::Generator source)
      : fn(std::move(body)), input(x.detach()), generator(std::move(source)), state(random_state(generator)) {}

  torch::autograd::variable_list apply(torch::autograd::variable_list&& grads) override {
    const auto state_now = random_state(generator);
    set_random_state(generator, state);
    at::AutoGradMode enable_grad(true);
    const auto x = input.detach().requires_grad_(true);
    const auto y = fn(x);
    set_random_state(generator, state_now);
    torch::autograd::backward({y}, {grads.at(0)});
    return {x.grad()};
  }

  Body fn;
  torch::Tensor input;
  at::Generator generator;
  torch::Tensor state;
};

}  // namespace

torch::Tensor grad_checkpoint(const Body& fn, const torch::Tensor& x, at::Generator generator) {
  if (!torch::GradMode::is_enabled() || !x.requires_grad()) return fn(x);
  const auto node = c10::make_intrusive<RecomputeNode>(fn, x, std::move(generator));
  node->set_next_edges(torch::autograd::collect_next_edges(x));
  torch::NoGradGuard no_grad;
  auto y = fn(x);
  torch::autograd::set_history(y, node);
  return y;
}

}  // namespace retentive::vision
