#include <cmath>

#include <torch/torch.h>

#include <retention/base/error.h>
#include <retention/nn/inference.h>
#include <support/tensors.h>
#include <vision/rmt.h>
#include <vision/scan_retention.h>

using namespace retentive;
using namespace retentive::testing;
using namespace retentive::vision;
using torch::Tensor;

namespace {

constexpr Form kForms[] = {Form::parallel, Form::recurrent, Form::chunkwise};

struct Layer {
  Layer(int64_t channels, int64_t heads)
      : mixer(std::make_shared<ScanRetentionImpl>(channels, heads)), position(channels, heads, 2, 4) {
    const torch::NoGradGuard no_grad;
    const auto generator = at::detail::createCPUGenerator(5);
    mixer->to(torch::kDouble);
    position->to(torch::kDouble);
    for (auto& parameter : mixer->parameters()) parameter.normal_(0, 0.3, generator);
  }
  std::shared_ptr<ScanRetentionImpl> mixer;
  RelativePosition position;
};

Tensor random_map(at::IntArrayRef shape) {
  return torch::randn(shape, at::detail::createCPUGenerator(6), torch::kDouble);
}

Tensor linear(const torch::OrderedDict<std::string, Tensor>& parameters, const std::string& name, const Tensor& x) {
  return torch::matmul(x, parameters[name + ".weight"].t()) + parameters[name + ".bias"];
}

// Token by token: S = gamma S + k^T v, out = q S over its root mean square, with q and k turned by their place.
Tensor naive(const Layer& layer, const Tensor& x, int64_t heads) {
  const auto parameters = layer.mixer->named_parameters();
  const int64_t tokens = x.size(1) * x.size(2), dim = x.size(3) / heads;
  const auto q = linear(parameters, "q_proj", x).reshape({tokens, heads, dim});
  const auto k = linear(parameters, "k_proj", x).reshape({tokens, heads, dim}) / std::sqrt(static_cast<double>(dim));
  const auto v_map = linear(parameters, "v_proj", x);  // [1, H, W, C]
  const auto v = v_map.reshape({tokens, heads, dim});
  auto out = torch::zeros_like(v);
  for (int64_t n = 0; n < heads; ++n) {
    auto state = torch::zeros({dim, dim}, torch::kDouble);
    const double gamma = std::exp(layer.position->decay[n].item<double>());
    for (int64_t t = 0; t < tokens; ++t) {
      const auto turned = [&](const Tensor& row) {
        auto result = row.clone();
        for (int64_t c = 0; c < dim; c += 2) {
          const double phase = static_cast<double>(t) * layer.position->angle[c].item<double>();
          result[c] = row[c] * std::cos(phase) - row[c + 1] * std::sin(phase);
          result[c + 1] = row[c + 1] * std::cos(phase) + row[c] * std::sin(phase);
        }
        return result;
      };
      state = gamma * state + torch::outer(turned(k[t][n]), v[t][n]);
      const auto row = torch::mv(state.t(), turned(q[t][n]));
      out[t][n] = row / torch::sqrt(row.square().mean() + 1e-6);
    }
  }
  const auto local = torch::conv2d(v_map.permute({0, 3, 1, 2}), parameters["lepe.conv.weight"],
                                   parameters["lepe.conv.bias"], 1, 2, 1, x.size(3));
  return linear(parameters, "out_proj", out.reshape(x.sizes()) + local.permute({0, 2, 3, 1}));
}

}  // namespace

TEST_CASE("retention in place of MaSA equals a loop over tokens, in every form", "[rmt]") {
  const torch::NoGradGuard no_grad;
  const Layer layer(8, 2);
  const auto x = random_map({1, 3, 5, 8});
  const auto expected = naive(layer, x, 2);
  for (const auto form : kForms) {
    CAPTURE(enum_name(form));
    layer.mixer->set_form(form);
    CHECK(deviation(layer.mixer->forward(x, layer.position, {}), expected) < 1e-10);
  }
}

TEST_CASE("forms of retention in place of MaSA have the same gradients", "[rmt]") {
  const Layer layer(8, 2);
  std::vector<Tensor> gradients;
  for (const auto form : kForms) {
    layer.mixer->set_form(form);
    layer.mixer->zero_grad();
    auto x = random_map({2, 4, 3, 8}).requires_grad_();
    (layer.mixer->forward(x, layer.position, {}) * random_map({2, 4, 3, 8})).sum().backward();
    gradients.push_back(
        torch::cat({x.grad().flatten(), layer.mixer->named_parameters()["k_proj.weight"].grad().flatten()}));
  }
  CHECK(deviation(gradients[1], gradients[0]) < 1e-10);
  CHECK(deviation(gradients[2], gradients[0]) < 1e-10);
}

TEST_CASE("retention in place of MaSA is causal but for its local enhancement", "[rmt]") {
  const torch::NoGradGuard no_grad;
  const Layer layer(8, 2);
  for (auto& item : layer.mixer->named_parameters()) {
    if (item.key().starts_with("lepe")) item.value().zero_();
  }
  const auto x = random_map({1, 4, 4, 8});
  auto changed = x.clone();
  changed.select(1, 2).select(1, 1) += 1;  // token 9
  const auto difference =
      (layer.mixer->forward(changed, layer.position, {}) - layer.mixer->forward(x, layer.position, {}))
          .abs()
          .amax(-1)
          .flatten();  // [16]
  CHECK(difference.narrow(0, 0, 9).max().item<double>() == 0);
  CHECK(difference.narrow(0, 9, 7).min().item<double>() > 0);
}

TEST_CASE("an RMT with retention: prepared as plain, forms and what has none", "[rmt][prepared]") {
  const c10::InferenceMode inference;
  RmtConfig config;
  config.embed_dims = {16, 32, 32, 48};
  config.depths = {1, 1, 1, 1};
  config.num_heads = {2, 2, 4, 3};
  config.projection_dim = 32;
  config.num_classes = 7;
  Rmt masa(config);
  CHECK_THROWS_AS(masa->set_form(Form::chunkwise), Unsupported);
  CHECK_NOTHROW(masa->set_form(Form::auto_));
  config.mixer = RmtMixer::retention;
  Rmt model(config);
  model->initialize(at::detail::createCPUGenerator(3));
  model->eval();
  CHECK(model->parameters().size() == masa->parameters().size());
  const auto image = torch::randn({2, 3, 112, 96}, at::detail::createCPUGenerator(4));
  const auto plain = model->forward(image).clone();
  const auto parallel = [&] {
    model->set_form(Form::parallel);
    return model->macs(224, 224);
  }();
  model->set_form(Form::recurrent);
  CHECK(model->macs(224, 224) < parallel);
  nn::prepare_inference(*model, {.precision = Precision::fp32});
  for (const auto form : kForms) {
    CAPTURE(enum_name(form));
    model->set_form(form);
    CHECK(deviation(model->forward(image), plain) < 1e-4);
  }
}
