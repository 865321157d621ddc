#include <torch/torch.h>

#include <models/generation/generate.h>
#include <models/registry.h>
#include <models/test_files.h>
#include <retention/base/error.h>
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

}  // namespace
}  // namespace retentive::testing
