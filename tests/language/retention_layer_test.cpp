#include <torch/torch.h>

#include <retention/base/error.h>
#include <retention/nn/multi_scale_retention.h>
#include <retention/ops/position.h>
#include <retention/ops/retention.h>
#include <support/tensors.h>

namespace retentive::testing {
namespace {

using torch::Tensor;

/// A layer with the weights of a fixture and everything it needs to run.
struct Layer {
  Layer(const std::string& name, at::ScalarType type) : fixture("retnet/" + name), dtype(type) {
    const auto config = read_fixture_json("retnet/" + name + ".json")["config"];
    options.dim = config["embed_dim"];
    options.value_dim = config["value_dim"];
    options.num_heads = config["heads"];
    eps = config["norm_eps"];
    layer = nn::MultiScaleRetention(options);
    const torch::NoGradGuard no_grad;
    for (auto& item : layer->named_parameters()) {
      item.value().copy_(fixture.get("w." + item.key().substr(0, item.key().find('.'))));
    }
    layer->to(type);
  }

  nn::SequenceContext context(int64_t tokens, Form form, int64_t chunk, Normalization normalization,
                              int64_t first = 0) const {
    nn::SequenceContext context{
        .form = form, .chunk = chunk, .normalization = normalization, .log_gamma = fixture.get("decay_log").to(dtype)};
    nn::place_tokens(context, torch::arange(first, first + tokens).unsqueeze(0), fixture.get("angle"),
                     RotaryStyle::interleaved, eps, true);
    return context;
  }

  Tensor run(const Tensor& x, Form form, int64_t chunk, Normalization normalization) {
    return layer->forward(x, context(x.size(1), form, chunk, normalization), nullptr, {});
  }

  Tensor input(const std::string& name) const { return fixture.get(name).to(dtype); }

  Fixture fixture;
  at::ScalarType dtype;
  nn::RetentionLayerOptions options;
  double eps = 0;
  nn::MultiScaleRetention layer{nullptr};
};

struct Case {
  Form form;
  int64_t chunk;
  std::string name;
};

std::vector<Case> cases_of(const std::string& fixture) {
  std::vector<Case> cases = {{Form::parallel, 1, "parallel"}, {Form::recurrent, 1, "recurrent"}};
  const auto json = read_fixture_json("retnet/" + fixture + ".json");
  for (const int64_t chunk : json["config"]["chunks"]) {
    cases.push_back({Form::chunkwise, chunk, "chunk" + std::to_string(chunk)});
  }
  return cases;
}

TEST_CASE("every official form of the layer is reproduced", "[retnet][fixture]") {
  WorstDeviation worst32("msr forms fp32"), worst64("msr forms fp64");
  for (const std::string name : {"msr_small", "msr_eps0", "msr_tiny_scale", "msr_value1"}) {
    for (const auto type : {at::kFloat, at::kDouble}) {
      Layer layer(name, type);
      const std::string prefix = type == at::kFloat ? "f32." : "f64.";
      if (!layer.fixture.has(prefix + "parallel.out")) continue;
      const torch::NoGradGuard no_grad;
      for (const auto& [form, chunk, form_name] : cases_of(name)) {
        INFO(name << " " << prefix << form_name);
        const auto out = layer.run(layer.input("x"), form, chunk, Normalization::torchscale);
        const auto error = deviation(out, layer.fixture.get(prefix + form_name + ".out"));
        CHECK((type == at::kFloat ? worst32 : worst64).add(name + " " + form_name, error) <
              (type == at::kFloat ? 2e-5 : 1e-10));
      }
    }
  }
}

TEST_CASE("the exact form is the official recurrent form", "[retnet][fixture]") {
  WorstDeviation worst("msr exact fp64");
  for (const std::string name : {"msr_small", "msr_eps0", "msr_tiny_scale", "msr_value1"}) {
    Layer layer(name, at::kDouble);
    const torch::NoGradGuard no_grad;
    for (const auto& [form, chunk, form_name] : cases_of(name)) {
      const auto out = layer.run(layer.input("x"), form, chunk, Normalization::exact);
      INFO(name << " " << form_name);
      CHECK(worst.add(name + " " + form_name, deviation(out, layer.fixture.get("f64.recurrent.out"))) < 1e-10);
    }
  }
}

TEST_CASE("states are the official ones", "[retnet][fixture]") {
  WorstDeviation worst("msr state fp64");
  for (const std::string name : {"msr_small", "msr_eps0", "msr_tiny_scale"}) {
    Layer layer(name, at::kDouble);
    const torch::NoGradGuard no_grad;
    const auto x = layer.input("x");
    const auto states = layer.fixture.get("f64.recurrent.state");  // [steps, B, N, Dv, Dk]
    const auto scales = layer.fixture.get("f64.recurrent.scale");  // [steps, N]
    nn::LayerState state;
    layer.layer->forward(x, layer.context(x.size(1), Form::chunkwise, 5, Normalization::exact), &state, {});
    const auto official = state.tensors.at(0).transpose(2, 3) / scales[-1].sqrt().view({1, -1, 1, 1});
    CHECK(worst.add(name, deviation(official, states[-1])) < 1e-10);
  }
}

TEST_CASE("gradients of the layer are the official ones", "[retnet][fixture]") {
  WorstDeviation worst32("msr gradients fp32"), worst64("msr gradients fp64");
  for (const std::string name : {"msr_small", "msr_eps0", "msr_value1"}) {
    for (const auto type : {at::kFloat, at::kDouble}) {
      Layer layer(name, type);
      const std::string prefix = type == at::kFloat ? "f32." : "f64.";
      if (!layer.fixture.has(prefix + "parallel.grad.x")) continue;
      const auto x = layer.input("x").requires_grad_();
      const auto out = layer.run(x, Form::parallel, 1, Normalization::torchscale);
      (out * layer.input("cotangent")).sum().backward();
      const auto check = [&](const std::string& what, const Tensor& gradient) {
        const auto error = deviation(gradient, layer.fixture.get(prefix + "parallel.grad." + what));
        INFO(name << " " << prefix << what);
        CHECK((type == at::kFloat ? worst32 : worst64).add(name + " " + what, error) <
              (type == at::kFloat ? 1e-4 : 1e-9));
      };
      check("x", x.grad());
      for (const auto& item : layer.layer->named_parameters()) {
        check(item.key().substr(0, item.key().find('.')), item.value().grad());
      }
    }
  }
}

TEST_CASE("300 tokens are those of the official layer", "[retnet][fixture]") {
  WorstDeviation worst("msr_t300 fp64");
  Layer layer("msr_t300", at::kDouble);
  const torch::NoGradGuard no_grad;
  const auto rows = layer.fixture.get("rows");
  for (const auto& [form, chunk, name] : cases_of("msr_t300")) {
    const auto out = layer.run(layer.input("x"), form, chunk, Normalization::torchscale);
    INFO(name);
    CHECK(worst.add(name, deviation(out.index_select(1, rows), layer.fixture.get("f64." + name + ".rows"))) < 1e-9);
  }
}

}  // namespace
}  // namespace retentive::testing
