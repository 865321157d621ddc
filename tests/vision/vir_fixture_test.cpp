#include <torch/torch.h>

#include <retention/nn/inference.h>
#include <retention/ops/grid_retention.h>
#include <retention/ops/position.h>
#include <retention/ops/retention.h>
#include <vision/vir_fixture.h>

using namespace retentive;
using namespace retentive::testing;
using namespace retentive::vision;
using torch::Tensor;

namespace {

struct Shape {
  Form form;
  int64_t chunk;
};

std::vector<Shape> shapes_of(const nlohmann::json& chunks) {
  std::vector<Shape> shapes = {{Form::parallel, 0}, {Form::recurrent, 0}};
  for (const int64_t chunk : chunks) shapes.push_back({Form::chunkwise, chunk});
  return shapes;
}

std::string prefix_of(at::ScalarType type) { return type == at::kFloat ? "f32." : "f64."; }

/// A mixer with the weights of an operator fixture.
struct Operator {
  Operator(const std::string& name, at::ScalarType scalar, int64_t decay_dims)
      : description(read_fixture_json("vir/" + name + ".json")), fixture("vir/" + name), type(scalar) {
    const auto& json = description["config"];
    config.dim = json["dim"];
    config.num_heads = json["heads"];
    config.decay_dims = decay_dims;
    if (json["epilogue"] == "ln_gelu_linear") config.epilogue = VirEpilogue::norm_gelu_linear;
    const bool spaced = json["decay"] == "linspace";
    mixer = VirRetention(config);
    fixture.load_into(*mixer, "w.");
    mixer->to(type);
    context.log_gamma =
        spaced ? log_gamma_log_linspace(config.num_heads, type) : log_gamma_retnet(config.num_heads, type);
    context.width = json["grid_2d"][1];
    context.class_token = true;
  }

  Tensor get(const std::string& name) const { return fixture.get(name).to(type); }
  Tensor run(const Tensor& x, const Shape& shape) {
    context.form = shape.form;
    context.chunk = shape.chunk;
    return mixer->forward(x, context, nullptr, {});
  }

  nlohmann::json description;
  Fixture fixture;
  at::ScalarType type;
  VirConfig config;
  VirRetention mixer{nullptr};
  VirContext context;
};

const double kForward[] = {2e-5, 1e-12}, kGradients[] = {1e-4, 1e-11};

void check_gradients(Operator& op, const Shape& shape, WorstDeviation& worst) {
  const bool wide = op.type == at::kDouble;
  op.mixer->zero_grad();
  const auto x = op.get("x").requires_grad_(true);
  (op.run(x, shape) * op.get("cotangent")).sum().backward();
  const auto check = [&](const std::string& key, const Tensor& gradient) {
    INFO(key);
    const auto expected = op.fixture.get(prefix_of(op.type) + "grad." + key);
    CHECK(worst.add(key, deviation(gradient, expected)) <= kGradients[wide]);
  };
  check("x", x.grad());
  for (const auto& item : op.mixer->named_parameters()) check(item.key(), item.value().grad());
}

}  // namespace

TEST_CASE("the operator's fixtures are reproduced in every form", "[vir][fixture]") {
  for (const std::string name : {"mhr_small", "mhr_ln_gelu"}) {
    for (const auto type : {at::kFloat, at::kDouble}) {
      WorstDeviation worst(name + " " + prefix_of(type) + "forward"), grads(name + " " + prefix_of(type) + "gradients");
      const bool wide = type == at::kDouble;
      Operator line(name, type, 1), grid(name, type, 2);
      for (const auto& shape : shapes_of(line.description["config"]["chunks"])) {
        INFO(name << " " << enum_name(shape.form) << " " << shape.chunk << " " << prefix_of(type));
        const auto x = line.get("x");
        const auto label = std::string(enum_name(shape.form));
        CHECK(worst.add(label, deviation(line.run(x, shape), line.fixture.get(prefix_of(type) + "out"))) <=
              kForward[wide]);
        const auto flat = line.fixture.get(prefix_of(type) + "out_2d");
        CHECK(worst.add("2-D " + label, deviation(grid.run(x, shape), flat)) <= kForward[wide]);
        check_gradients(line, shape, grads);
      }
    }
  }
}

TEST_CASE("states of the operator's fixtures, and its softmax", "[vir][fixture]") {
  for (const std::string name : {"mhr_small", "mhr_ln_gelu"}) {
    WorstDeviation worst(name + " states");
    Operator op(name, at::kDouble, 2);
    const torch::NoGradGuard no_grad;
    const auto qkv = torch::linear(op.get("x"), op.get("w.qkv.weight"), op.get("w.qkv.bias"));
    const auto parts = qkv.unflatten(-1, {3, op.config.num_heads, -1}).unbind(2);
    const double scale = 1 / std::sqrt(static_cast<double>(op.config.head_dim()));
    const auto patches = qkv.size(1) - 1;
    const auto first = [&](size_t i) { return parts[i].narrow(1, 0, patches); };
    for (const auto form : {Form::recurrent, Form::chunkwise}) {
      for (const int64_t chunk : {1, 5, 100}) {
        const auto line = causal_retention(parts[0], parts[1], parts[2], op.context.log_gamma,
                                           {.form = form, .chunk = chunk, .k_scale = scale});
        // The fixture scales q, this library k.
        CHECK(worst.add("1-D", deviation(line.state / scale, op.get("f64.final_state"))) <= 1e-12);
        const auto grid =
            grid_retention(first(0), first(1), first(2), op.context.log_gamma,
                           {.form = form, .tokens = {.width = op.context.width}, .chunk = chunk, .k_scale = scale});
        const auto columns = grid.state.columns.transpose(1, 2) / scale;  // [B, N, W, D, D]
        CHECK(worst.add("2-D", deviation(columns, op.get("f64.last_row_states_2d"))) <= 1e-12);
      }
    }
    if (!op.fixture.has("f64.release_softmax.out")) continue;
    op.config.decay_dims = 1;
    op.config.release_softmax = true;
    VirRetention softmax(op.config);
    op.fixture.load_into(*softmax, "w.");
    softmax->to(at::kDouble);
    const auto out = softmax->forward(op.get("x"), op.context, nullptr, {});
    CHECK(worst.add("softmax", deviation(out, op.get("f64.release_softmax.out"))) <= 1e-12);
  }
}

namespace {

/// The tiny classifier of the fixtures.
struct Tiny {
  explicit Tiny(
      at::ScalarType scalar = at::kFloat, const std::function<void(VirConfig&)>& change = [](VirConfig&) {})
      : reference("vir/vir_test"), description(read_fixture_json("vir/vir_test.json")), type(scalar) {
    auto config = test_vir_config();
    change(config);
    model = Vir(config);
    Fixture("vir/vir_test.weights").load_into(*model, "");
    model->to(type);
    model->eval();
  }

  Tensor image(const std::string& name = "image") const { return reference.get(name).to(type); }
  double error(const Tensor& actual, const std::string& name) const {
    return deviation(actual, reference.get(prefix_of(type) + name));
  }

  Fixture reference;
  nlohmann::json description;
  at::ScalarType type;
  Vir model{nullptr};
};

}  // namespace

TEST_CASE("the classifier's fixture is reproduced in every form, layer and chunk outermost", "[vir][fixture]") {
  for (const auto type : {at::kFloat, at::kDouble}) {
    WorstDeviation worst("vir_test " + prefix_of(type));
    const double tolerance = type == at::kFloat ? 5e-5 : 1e-11;
    Tiny line(type), grid(type, [](VirConfig&config) { config.decay_dims = 2; });
    for (const auto& shape : shapes_of(line.description["chunks"])) {
      const VirCall call{shape.form, shape.chunk};
      for (const bool gradients : {true, false}) {
        const at::AutoGradMode mode(gradients);
        INFO(enum_name(shape.form) << " " << shape.chunk << " gradients " << gradients);
        const auto label = std::string(enum_name(shape.form));
        CHECK(worst.add(label, line.error(line.model->forward(line.image(), call), "logits")) <= tolerance);
        CHECK(worst.add(label, line.error(line.model->forward_tokens(line.image(), call), "features")) <= tolerance);
        CHECK(worst.add("2-D " + label, line.error(grid.model->forward(line.image(), call), "logits_2d")) <= tolerance);
      }
    }
    Tiny softmax(type, [](VirConfig& config) { config.release_softmax = true; });
    CHECK(worst.add("softmax", line.error(softmax.model->forward(line.image()), "release_softmax.logits")) <=
          tolerance);
  }
}

TEST_CASE("another grid gets the position table resampled", "[vir][fixture]") {
  const Tiny tiny(at::kDouble);
  const auto table = tiny.model->named_parameters()["pos_embed"];
  const GridPositions positions(table, {4, 4}, {6, 4});
  const auto expected = tiny.reference.get("pos_embed_resized64");
  CHECK(deviation(positions.rows(0, 24), expected) <= 1e-9);
  CHECK(deviation(positions.rows(5, 11), expected.narrow(1, 5, 6)) <= 1e-9);
  const GridPositions same(table, {4, 4}, {4, 4});
  CHECK(deviation(same.rows(0, 16), table) == 0);
  Tiny model(at::kDouble);
  for (const auto form : {Form::parallel, Form::recurrent, Form::chunkwise}) {
    const torch::NoGradGuard no_grad;
    CHECK(deviation(model.model->forward(model.image("image2"), {form, 5}), tiny.reference.get("f64.logits2")) <=
          1e-11);
  }
}

TEST_CASE("loss and gradients of the fixture come out of every form", "[vir][fixture]") {
  WorstDeviation worst("vir_test gradients fp32");
  for (const auto& call : std::vector<VirCall>{{Form::parallel, 0}, {Form::recurrent, 0}, {Form::chunkwise, 5}}) {
    Tiny tiny;
    tiny.model->train();
    const auto loss = torch::cross_entropy_loss(tiny.model->forward(tiny.image(), call), tiny.reference.get("labels"));
    loss.backward();
    CHECK(deviation(loss, tiny.reference.get("f32.loss")) <= 5e-5);
    for (const auto& item : tiny.model->named_parameters()) {
      INFO(enum_name(call.form) << " " << item.key());
      CHECK(worst.add(item.key(), deviation(item.value().grad(), tiny.reference.get("f32.grad." + item.key()))) <=
            2e-4);
    }
  }
}

TEST_CASE("prepared models keep the fixture in every form", "[vir][fixture][prepared]") {
  const torch::NoGradGuard no_grad;
  for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8}) {
    WorstDeviation worst("prepared vir_test " + std::string(enum_name(precision)));
    // Roundings of some twenty products in a row, as independent as they come.
    const double bound = precision == Precision::fp32   ? 5e-5
                         : precision == Precision::bf16 ? std::sqrt(20.0) / 256
                                                        : std::sqrt(20.0) / 127;
    for (const int64_t dims : {1, 2}) {
      Tiny tiny(at::kFloat, [dims](VirConfig& config) { config.decay_dims = dims; });
      const auto report = nn::prepare_inference(*tiny.model, {.precision = precision});
      CHECK(report.entries.size() >= 20);
      for (const auto& call : std::vector<VirCall>{{Form::parallel, 0}, {Form::recurrent, 0}, {Form::chunkwise, 5}}) {
        const auto key = dims == 1 ? "logits" : "logits_2d";
        const auto label = std::string(key) + " " + std::string(enum_name(call.form));
        CHECK(worst.add(label, tiny.error(tiny.model->forward(tiny.image(), call), key)) <= bound);
      }
    }
  }
}
