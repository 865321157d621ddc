#include <torch/torch.h>

#include <models/checkpoint.h>
#include <models/language_keys.h>
#include <models/registry.h>
#include <models/retnet.h>
#include <models/test_files.h>
#include <retention/base/error.h>
#include <support/tensors.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using models::RetnetConfig;
using models::RetnetImpl;
using torch::Tensor;

/// The configuration of a torchscale fixture in this library's words.
RetnetConfig official_config(const nlohmann::json& json) {
  RetnetConfig config;
  config.vocab_size = json["vocab_size"];
  config.dim = json["decoder_embed_dim"];
  config.value_dim = json["decoder_value_embed_dim"];
  config.ffn_dim = json["decoder_ffn_embed_dim"];
  config.num_layers = json["decoder_layers"];
  config.num_heads = json["decoder_retention_heads"];
  config.activation =
      json["activation_fn"] == "gelu" ? models::RetnetActivation::gelu : models::RetnetActivation::swish;
  config.scale_embedding = !json.value("no_scale_embedding", true);
  config.layernorm_embedding = json.value("layernorm_embedding", false);
  config.tie_embeddings = json.value("share_decoder_input_output_embed", false);
  config.deepnorm = json.value("deepnorm", false);
  config.pre_norm = json.value("decoder_normalize_before", true);
  return config;
}

std::shared_ptr<RetnetImpl> load(const std::string& weights, const RetnetConfig& config,
                                 at::ScalarType type = at::kFloat) {
  models::ModelChoice choice;
  choice.config = config;
  const auto loaded = models::load_model(fixture_path("retnet/" + weights + ".safetensors"), choice);
  auto model = models::as_language_model(loaded.model, weights);
  model->to(type);
  return model;
}

std::string prefix_of(at::ScalarType type) { return type == at::kFloat ? "f32." : "f64."; }

models::SequenceCall official(Form form, int64_t chunk = 0) {
  return {.form = form, .chunk = chunk, .normalization = Normalization::torchscale};
}

TEST_CASE("logits of the official models are reproduced in every form", "[retnet][fixture]") {
  WorstDeviation worst32("retnet logits fp32"), worst64("retnet logits fp64");
  for (const std::string name : {"lm_tiny", "lm_scaled_tied", "lm_deepnorm"}) {
    const Fixture fixture("retnet/" + name);
    const auto json = read_fixture_json("retnet/" + name + ".json");
    for (const auto type : {at::kFloat, at::kDouble}) {
      const auto model = load(name + ".weights", official_config(json["config"]), type);
      const torch::NoGradGuard no_grad;
      const auto check = [&](const std::string& what, const models::SequenceCall& call) {
        const auto logits = model->forward(fixture.get("tokens"), nullptr, call);
        const auto error = deviation(logits, fixture.get(prefix_of(type) + "logits_" + what));
        INFO(name << " " << what << " " << prefix_of(type));
        CHECK((type == at::kFloat ? worst32 : worst64).add(name + " " + what, error) <
              (type == at::kFloat ? 1e-4 : 1e-9));
      };
      check("parallel", official(Form::parallel));
      check("recurrent", official(Form::recurrent));
      for (const int64_t chunk : json["shape"]["chunks"]) {
        check("chunk" + std::to_string(chunk), official(Form::chunkwise, chunk));
      }
      check("recurrent", {.form = Form::chunkwise, .chunk = 7});  // normalization exact
    }
  }
}

TEST_CASE("loss and gradients of the official model are reproduced", "[retnet][fixture]") {
  WorstDeviation worst("retnet gradients fp32");
  const Fixture fixture("retnet/lm_tiny");
  const auto json = read_fixture_json("retnet/lm_tiny.json");
  const auto model = load("lm_tiny.weights", official_config(json["config"]));
  const auto tokens = fixture.get("tokens");
  const auto logits = model->forward(tokens, nullptr, official(Form::parallel));
  const auto loss = torch::cross_entropy_loss(logits.slice(1, 0, -1).flatten(0, 1), tokens.slice(1, 1).flatten());
  CHECK(std::abs(loss.item<double>() - fixture.get("f32.loss").item<double>()) < 1e-5);
  loss.backward();
  for (const auto& item : model->named_parameters()) {
    INFO(item.key());
    CHECK(worst.add(item.key(), deviation(item.value().grad(), fixture.get("grad." + item.key()))) < 2e-4);
  }
}

TEST_CASE("greedy text of the official models comes out of every form", "[retnet][fixture]") {
  for (const std::string name : {"lm_tiny", "lm_scaled_tied", "lm_deepnorm"}) {
    const Fixture fixture("retnet/" + name);
    const auto json = read_fixture_json("retnet/" + name + ".json");
    const auto model = load(name + ".weights", official_config(json["config"]));
    const torch::NoGradGuard no_grad;
    const auto expected = fixture.get("gen.tokens");
    for (const auto form : {Form::parallel, Form::recurrent, Form::chunkwise}) {
      auto state = model->new_state(2);
      auto logits = model->forward(fixture.get("gen.prompt"), &state, {.form = form, .chunk = 2}).select(1, -1);
      std::vector<Tensor> tokens;
      for (int64_t i = 0; i < expected.size(1); ++i) {
        tokens.push_back(logits.argmax(-1, true));
        logits = model->forward(tokens.back(), &state).select(1, -1);
      }
      INFO(name << " " << enum_name(form));
      CHECK(torch::cat(tokens, 1).equal(expected));
    }
  }
}

TEST_CASE("the Hugging Face style model is reproduced, padded rows too", "[retnet][fixture]") {
  WorstDeviation worst32("hf_tiny fp32"), worst64("hf_tiny fp64");
  const Fixture fixture("retnet/hf_tiny");
  const auto config = models::parse_upstream_config(read_fixture_json("retnet/hf_tiny.config.json").dump(), "hf");
  const auto mask = fixture.get("leftpad.mask");  // [3, 12]
  std::vector<int64_t> ranges;
  for (int64_t row = 0; row < mask.size(0); ++row) {
    const auto length = mask[row].sum().item<int64_t>(), end = (row + 1) * mask.size(1);
    ranges.insert(ranges.end(), {end - length, end});
  }
  const auto rows = torch::tensor(ranges, at::kLong).view({-1, 2});
  for (const auto type : {at::kFloat, at::kDouble}) {
    const auto model = load("hf_tiny.weights", config, type);
    const torch::NoGradGuard no_grad;
    auto& worst = type == at::kFloat ? worst32 : worst64;
    const double tolerance = type == at::kFloat ? 1e-4 : 1e-9;
    const auto check = [&](const Tensor& logits, const std::string& what) {
      INFO(what);
      CHECK(worst.add(what, deviation(logits, fixture.get(prefix_of(type) + what))) < tolerance);
    };
    const auto tokens = fixture.get("tokens");
    check(model->forward(tokens, nullptr, official(Form::parallel)), "logits_parallel");
    check(model->forward(tokens, nullptr, official(Form::recurrent)), "logits_recurrent");
    check(model->forward(tokens, nullptr, official(Form::chunkwise, 7)), "logits_chunk7");
    for (const auto form : {Form::parallel, Form::recurrent, Form::chunkwise}) {
      const auto padded =
          model->forward(fixture.get("leftpad.tokens"), nullptr, {.form = form, .chunk = 5, .ranges = rows});
      // The official recurrent form counts padded steps in float32: 2e-7 off its own single runs.
      const auto error =
          deviation(padded.select(1, -1), fixture.get(prefix_of(type) + "leftpad.logits_recurrent_last"));
      CHECK(worst.add("padded", error) < (type == at::kFloat ? 1e-4 : 1e-6));
    }
  }
}

TEST_CASE("the fla dialect is reproduced from both of its layouts", "[retnet][fixture]") {
  WorstDeviation worst("fla_tiny fp32"), worst64("fla_tiny fp64");
  const Fixture fixture("retnet/fla_tiny");
  const auto config = models::parse_upstream_config(read_fixture_json("retnet/fla_tiny.config.json").dump(), "fla");
  for (const std::string weights : {"fla_tiny.weights", "fla_tiny.old_mlp.weights"}) {
    const auto model = load(weights, config), wide = load(weights, config, at::kDouble);
    const torch::NoGradGuard no_grad;
    for (const auto form : {Form::parallel, Form::recurrent, Form::chunkwise}) {
      INFO(weights << " " << enum_name(form));
      auto state = model->new_state(2);
      const auto logits = model->forward(fixture.get("tokens"), &state, {.form = form, .chunk = 8});
      CHECK(worst.add("logits", deviation(logits, fixture.get("f32.logits"))) < 2e-4);
      // fla scales q where this library scales k.
      const auto unscaled = state.layers[0].tensors[0] * std::sqrt(static_cast<double>(config.key_head_dim()));
      CHECK(worst.add("state", deviation(unscaled, fixture.get("f32.final_state.layer0"))) < 1e-4);
      const auto wide_logits = wide->forward(fixture.get("tokens_long"), nullptr, {.form = form, .chunk = 8});
      // The reference rounds its phases to float32, which at position 79 moves them by up to 79 * 2^-24 = 5e-6.
      CHECK(worst64.add("logits", deviation(wide_logits.slice(1, -8), fixture.get("f64.logits_long"))) < 1e-6);
    }
  }
}

TEST_CASE("presets have the published names, shapes and counts", "[retnet]") {
  const auto presets = read_fixture_json("retnet/presets.keys.json");
  for (const auto& [name, preset] : presets["torchscale"].items()) {
    INFO(name);
    const auto config = models::find_model(name).config;
    CHECK(models::count_parameters(config) == preset["parameters_vocab_50257_untied"].get<int64_t>());
    auto small = std::get<RetnetConfig>(config);
    CHECK(small.dim == preset["dim"].get<int64_t>());
    CHECK(small.num_layers == preset["layers"].get<int64_t>());
    small.num_layers = 2;
    if (small.dim > 1024) continue;  // the rest is the same code, and large
    std::map<std::string, std::vector<int64_t>> expected, actual;
    for (const auto& [key, shape] : preset["keys"].items()) {
      const auto at = key.find("{i}");
      for (int i = 0; i < (at == std::string::npos ? 1 : 2); ++i) {
        auto full = key;
        if (at != std::string::npos) full.replace(at, 3, std::to_string(i));
        expected[full] = shape.get<std::vector<int64_t>>();
      }
    }
    const auto model = models::build_uninitialized(small);
    for (const auto& [key, tensor] : models::state_dict(*model)) actual[key] = tensor.sizes().vec();
    CHECK(actual == expected);
    CHECK(models::count_parameters(*model) == models::count_parameters(models::ModelConfig(small)));
  }
}

TEST_CASE("counted and built parameters agree for every small language row", "[retnet]") {
  for (const auto& row : models::model_rows()) {
    if (row.kind() != models::ModelKind::language || !row.is_test()) continue;
    INFO(row.name);
    CHECK(models::count_parameters(*models::build_uninitialized(row.config)) == models::count_parameters(row.config));
  }
}

TEST_CASE("forms agree on every language row, with a carried state", "[retnet]") {
  WorstDeviation worst("language rows, forms");
  for (const auto& row : models::model_rows()) {
    if (row.kind() != models::ModelKind::language || !row.is_test()) continue;
    const auto model = models::as_language_model(models::build(row.config, 3), row.name);
    model->eval();
    const torch::NoGradGuard no_grad;
    const auto tokens = torch::randint(0, 97, {2, 33}, at::detail::createCPUGenerator(1), at::kLong);
    const auto expected = model->forward(tokens, nullptr, {.form = Form::parallel});
    auto state = model->new_state(2);
    const auto first = model->forward(tokens.slice(1, 0, 20), &state, {.form = Form::chunkwise, .chunk = 6});
    std::vector<Tensor> parts = {first};
    for (int64_t t = 20; t < 33; ++t) parts.push_back(model->forward(tokens.slice(1, t, t + 1), &state));
    INFO(row.name);
    CHECK(worst.add(row.name, deviation(torch::cat(parts, 1), expected)) < 1e-4);
    CHECK(state.positions == std::vector<int64_t>{33, 33});
  }
}

TEST_CASE("a language model names what is wrong with a call", "[retnet]") {
  const auto model = models::as_language_model(models::build(models::find_model("test_retnet").config, 1), "test");
  const auto message = [&](const Tensor& tokens, models::RetentionState* state, const models::SequenceCall& call) {
    return message_of<InvalidArgument>([&] { model->forward(tokens, state, call); });
  };
  const auto tokens = torch::zeros({2, 3}, at::kLong);
  auto state = model->new_state(1);
  CHECK_THAT(message(tokens + 97, nullptr, {}), Contains("token 97") && Contains("0..96"));
  CHECK_THAT(message(tokens - 1, nullptr, {}), Contains("token -1"));
  CHECK_THAT(message(tokens, &state, {}), Contains("1 rows") && Contains("2 sequences"));
  CHECK_THAT(message(tokens, nullptr, {.normalization = Normalization::torchscale}), Contains("torchscale"));
  CHECK_THAT(message(tokens.to(at::kFloat), nullptr, {}), Contains("int64 [B, T]"));
}

}  // namespace
}  // namespace retentive::testing
