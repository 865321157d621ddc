#include <torch/torch.h>

#include <models/generation/generate.h>
#include <models/generation/perplexity.h>
#include <models/registry.h>
#include <models/test_files.h>
#include <retention/base/error.h>
#include <retention/nn/inference.h>
#include <support/tensors.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using models::GenerationOptions;
using models::RetentionState;

std::shared_ptr<models::RetnetImpl> tiny(const std::string& name = "test_retnet") {
  auto model = models::as_language_model(models::build(models::find_model(name).config, 2), name);
  // Fresh weights give nearly equal logits: wider ones make choices clear.
  const torch::NoGradGuard no_grad;
  for (auto& item : model->named_parameters()) {
    if (item.value().dim() > 1) item.value().mul_(3);
  }
  model->eval();
  return model;
}

const std::vector<int64_t> kPrompt = {5, 17, 3, 90, 44};

/// Greedy generation.
models::GenerationResult generate_greedily(models::RetnetImpl& model, RetentionState& state,
                                           std::span<const int64_t> prompt, std::vector<int64_t>& history,
                                           const GenerationOptions& options,
                                           const std::function<bool(int64_t)>& on_token = {}) {
  models::Sampler sampler({.temperature = 0});
  return models::generate(model, state, sampler, prompt, history, options, on_token);
}

std::vector<int64_t> run(models::RetnetImpl& model, const GenerationOptions& options) {
  auto state = model.new_state(1);
  std::vector<int64_t> history;
  return generate_greedily(model, state, kPrompt, history, options).tokens;
}

GenerationOptions greedy(int64_t tokens) { return {.max_new_tokens = tokens}; }

TEST_CASE("greedy generation is the argmax of the parallel form", "[generate]") {
  for (const std::string name : {"test_retnet", "test_retnet_fla", "test_retnet_deepnorm", "test_transformer"}) {
    const auto model = tiny(name);
    const auto tokens = run(*model, greedy(12));
    auto text = kPrompt;
    const torch::NoGradGuard no_grad;
    for (const auto token : tokens) {
      const auto logits = model->forward(torch::tensor(text).unsqueeze(0), nullptr, {.form = Form::parallel});
      INFO(name);
      CHECK(logits[0][-1].argmax().item<int64_t>() == token);
      text.push_back(token);
    }
  }
}

TEST_CASE("a prompt in segments gives the same text", "[generate]") {
  const auto model = tiny();
  auto options = greedy(10);
  const auto whole = run(*model, options);
  for (const int64_t segment : {1, 2, 3}) {
    options.prefill_segment = segment;
    CHECK(run(*model, options) == whole);
  }
}

TEST_CASE("generation stopped and continued is generation in one go", "[generate]") {
  const auto model = tiny();
  auto options = greedy(20);
  const auto whole = run(*model, options);
  auto state = model->new_state(1);
  std::vector<int64_t> history;
  options.max_new_tokens = 8;
  auto tokens = generate_greedily(*model, state, kPrompt, history, options).tokens;
  CHECK(state.pending == std::vector<int64_t>{tokens.back()});
  const TemporaryFolder folder;
  state.save(folder / "s.state", "m");
  auto restored = RetentionState::load(folder / "s.state", "m");
  options.max_new_tokens = 12;
  const auto rest = generate_greedily(*model, restored, {}, history, options).tokens;
  tokens.insert(tokens.end(), rest.begin(), rest.end());
  CHECK(tokens == whole);
}

TEST_CASE("a refused prompt changes nothing, and banned tokens are never chosen", "[generate]") {
  const auto model = tiny();
  auto state = model->new_state(1);
  std::vector<int64_t> history;
  auto options = greedy(4);
  const auto whole = generate_greedily(*model, state, kPrompt, history, options).tokens;
  const auto before = history;
  const auto pending = state.pending;
  CHECK_THROWS_AS(generate_greedily(*model, state, std::vector<int64_t>{1000}, history, options), InvalidArgument);
  CHECK(history == before);
  CHECK(state.pending == pending);
  options.banned = {whole[0]};
  const auto other = run(*model, options);
  CHECK(std::find(other.begin(), other.end(), whole[0]) == other.end());
}

TEST_CASE("stop tokens and callbacks end generation", "[generate]") {
  const auto model = tiny();
  const auto whole = run(*model, greedy(20));
  auto options = greedy(20);
  options.stop_tokens = {whole[6]};
  auto state = model->new_state(1);
  std::vector<int64_t> history;
  const auto stopped = generate_greedily(*model, state, kPrompt, history, options);
  const auto first = std::find(whole.begin(), whole.end(), whole[6]);
  CHECK(stopped.tokens == std::vector<int64_t>(whole.begin(), first + 1));
  CHECK(stopped.reason == models::FinishReason::stop_token);

  auto fresh = model->new_state(1);
  int64_t seen = 0;
  std::vector<int64_t> text;
  const auto cut = generate_greedily(*model, fresh, kPrompt, text, greedy(20), [&](int64_t) { return ++seen < 4; });
  CHECK(cut.tokens == std::vector<int64_t>(whole.begin(), whole.begin() + 4));
  CHECK(cut.reason == models::FinishReason::stopped);
  CHECK(text.size() == kPrompt.size() + 4);
  CHECK_THAT(message_of<InvalidArgument>([&] {
               auto empty = model->new_state(1);
               generate_greedily(*model, empty, {}, text, greedy(1));
             }),
             Contains("no tokens"));
}

// Every continuation of that length with its log probability.
std::map<std::vector<int64_t>, double> all_continuations(models::RetnetImpl& model, int64_t length) {
  std::map<std::vector<int64_t>, double> scores = {{{}, 0.0}};
  for (int64_t i = 0; i < length; ++i) {
    std::map<std::vector<int64_t>, double> longer;
    for (const auto& [tokens, score] : scores) {
      auto text = kPrompt;
      text.insert(text.end(), tokens.begin(), tokens.end());
      const auto logits = model.forward(torch::tensor(text).unsqueeze(0), nullptr, {.form = Form::parallel})[0][-1];
      const auto logs = torch::log_softmax(logits.to(at::kDouble), -1);
      for (int64_t token = 0; token < logs.size(0); ++token) {
        auto next = tokens;
        next.push_back(token);
        longer[next] = score + logs[token].item<double>();
      }
    }
    scores = std::move(longer);
  }
  return scores;
}

TEST_CASE("a beam as wide as the vocabulary finds the best continuation", "[generate]") {
  const auto model = tiny();
  const torch::NoGradGuard no_grad;
  const auto scores = all_continuations(*model, 2);
  const auto best =
      std::max_element(scores.begin(), scores.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const auto beams = models::beam_search(*model, model->new_state(1), kPrompt, {.num_beams = 97, .max_new_tokens = 2});
  REQUIRE(beams.size() == 97);
  CHECK(beams[0].tokens == best->first);
  CHECK(beams[0].log_probability == Approx(best->second).epsilon(1e-5));
  for (size_t i = 1; i < beams.size(); ++i) CHECK(beams[i - 1].score >= beams[i].score);
  const auto one = models::beam_search(*model, model->new_state(1), kPrompt, {.num_beams = 1, .max_new_tokens = 12});
  CHECK(one[0].tokens == run(*model, greedy(12)));
}

TEST_CASE("rows that join and leave a batch get the text of their own", "[generate]") {
  const auto model = tiny();
  const models::SamplingOptions sampling = {.temperature = 0.7, .top_k = 20, .seed = 9};
  const std::vector<std::vector<int64_t>> prompts = {{1, 2, 3}, {50, 60}, {7, 7, 7, 7, 7, 7}};
  std::map<int64_t, std::vector<int64_t>> texts;
  models::BatchDecoder batch(*model);
  const auto record = [&] {
    for (const auto& [id, token] : batch.step()) texts[id].push_back(token);
  };
  batch.add(prompts[0], sampling);
  record();
  record();
  batch.add(prompts[1], sampling);
  record();
  batch.add(prompts[2], sampling);
  record();
  batch.remove(0);
  for (int i = 0; i < 5; ++i) record();
  CHECK(batch.rows() == 2);
  for (int64_t id = 0; id < 3; ++id) {
    models::BatchDecoder alone(*model);
    alone.add(prompts[static_cast<size_t>(id)], sampling);
    for (const auto token : texts[id]) CHECK(alone.step()[0].token == token);
  }
  CHECK(texts[0].size() == 4);
  CHECK_THROWS_AS(batch.remove(0), InvalidArgument);
}

TEST_CASE("a prompt that is only read goes on as if text had come at once", "[generate]") {
  for (const std::string name : {"test_retnet", "test_transformer"}) {
    const auto model = tiny(name);
    const auto whole = run(*model, greedy(12));
    for (const size_t length : {size_t{1}, kPrompt.size()}) {
      auto state = model->new_state(1);
      std::vector<int64_t> history;
      const std::span<const int64_t> all(kPrompt);
      CHECK(generate_greedily(*model, state, all.first(length), history, greedy(0)).tokens.empty());
      CHECK(state.pending == std::vector<int64_t>{kPrompt[length - 1]});
      const TemporaryFolder folder;
      state.save(folder / "s.state", "m");
      auto restored = RetentionState::load(folder / "s.state", "m");
      CHECK(generate_greedily(*model, restored, all.subspan(length), history, greedy(12)).tokens == whole);
      CHECK(history.size() == kPrompt.size() + 12);
    }
  }
}

void refuse_everywhere(models::RetnetImpl& model, const std::string& what) {
  auto state = model.new_state(1);
  std::vector<int64_t> history;
  const auto message = [&](auto&& call) { return message_of<StateError>(call); };
  CHECK_THAT(message([&] { generate_greedily(model, state, kPrompt, history, greedy(4)); }), Contains(what));
  CHECK_THAT(message([&] { models::beam_search(model, model.new_state(1), kPrompt, {.num_beams = 3}); }),
             Contains(what));
  CHECK_THAT(message([&] { models::BatchDecoder(model).add(kPrompt); }), Contains(what));
  for (const int64_t window : {0, 2}) {
    CHECK_THAT(message([&] { models::perplexity(model, kPrompt, {.window = window}); }),
               Contains("[perplexity]") && Contains("logit of token"));
  }
}

TEST_CASE("one logit that is no number ends every way of generating and scoring", "[generate]") {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    const auto model = tiny();
    const torch::NoGradGuard no_grad;
    // Nothing but this token's logit, which is never the largest.
    model->named_parameters()["output_projection.weight"][7].fill_(bad);
    refuse_everywhere(*model, "after 5 tokens the logit of token 7");
  }
}

TEST_CASE("a later step is refused as the first is", "[generate]") {
  const auto model = tiny();
  const torch::NoGradGuard no_grad;
  const auto first = run(*model, greedy(1))[0];
  model->named_parameters()["embed_tokens.weight"][first].fill_(NAN);
  auto state = model->new_state(1);
  std::vector<int64_t> history;
  const auto what = Contains("after 6 tokens");
  CHECK_THAT(message_of<StateError>([&] { generate_greedily(*model, state, kPrompt, history, greedy(4)); }), what);
  CHECK_THAT(message_of<StateError>([&] { models::beam_search(*model, model->new_state(1), kPrompt, {}); }), what);
  models::BatchDecoder batch(*model);
  batch.add(kPrompt, {.temperature = 0});
  CHECK_THAT(message_of<StateError>([&] { batch.step(); }), what);
}

TEST_CASE("weights that are not finite cannot be prepared, and the tensor is named", "[generate]") {
  for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8, Precision::int4}) {
    for (const std::string name : {"output_projection.weight", "embed_tokens.weight", "layers.1.ffn.fc2.weight",
                                   "layers.0.retention_layer_norm.weight", "retnet_rel_pos.decay"}) {
      const auto model = tiny();
      const torch::NoGradGuard no_grad;
      auto* parameter = model->named_parameters().find(name);
      auto tensor = parameter != nullptr ? *parameter : model->named_buffers()[name];
      tensor.view(-1)[tensor.numel() - 1] = name.starts_with("layers") ? INFINITY : NAN;
      CHECK_THAT(message_of<CheckpointError>([&] { nn::prepare_inference(*model, {.precision = precision}); }),
                 Contains(name) && Contains(name.starts_with("layers") ? "inf" : "nan"));
      CHECK_FALSE(nn::is_prepared(*model));
    }
  }
}

TEST_CASE("numbers that grow beyond the precision are refused in every precision", "[generate]") {
  for (const auto precision : {Precision::fp32, Precision::bf16, Precision::int8, Precision::int4}) {
    const auto model = tiny();
    const torch::NoGradGuard no_grad;
    model->named_parameters()["layers.0.ffn.fc1.weight"].mul_(1e25);
    model->named_parameters()["layers.0.ffn.gate.weight"].mul_(1e25);
    nn::prepare_inference(*model, {.precision = precision});
    INFO(enum_name(precision));
    refuse_everywhere(*model, "after 5 tokens the logit of token 0");
  }
}

TEST_CASE("beams are ordered whatever the length penalty", "[generate]") {
  const auto model = tiny();
  for (const double penalty : {-1e6, 0.0, 1e6}) {
    const auto beams = models::beam_search(*model, model->new_state(1), kPrompt,
                                           {.num_beams = 3, .max_new_tokens = 5, .length_penalty = penalty});
    CHECK(beams.size() == 3);
    CHECK(beams.front().tokens.size() == 5);
  }
}

}  // namespace
}  // namespace retentive::testing
