#include <cmath>

#include <models/generation/detail/tokens.h>
#include <models/generation/generate.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

using torch::Tensor;

void check(const BeamOptions& options) {
  if (options.num_beams >= 1 && options.max_new_tokens >= 1 && std::isfinite(options.length_penalty)) return;
  throw InvalidArgument("[generate] num_beams is " + std::to_string(options.num_beams) + ", max_new_tokens " +
                        std::to_string(options.max_new_tokens) + " and length_penalty " +
                        std::to_string(options.length_penalty) +
                        "; 1 or more, 1 or more and a finite number are accepted");
}

/// The search between two steps.
struct Search {
  const BeamOptions& options;
  std::vector<Beam> alive = {Beam{}};
  std::vector<Beam> finished = {};

  size_t wanted() const { return static_cast<size_t>(options.num_beams); }

  // Log probabilities of whole continuations, [alive, V].
  Tensor totals(Tensor logits) const {
    detail::ban(logits, options.banned);
    if (!logits.isfinite().any().item<bool>()) {
      throw StateError("[generate] every token is banned; leave one that can be chosen");
    }
    auto scores = torch::log_softmax(logits, -1);
    std::vector<double> before;
    for (const auto& beam : alive) before.push_back(beam.log_probability);
    return scores + torch::tensor(before, at::kDouble).unsqueeze(1);
  }

  // Lengthens the beams by the best tokens; gives the beam that each survivor comes from.
  std::vector<int64_t> advance(const Tensor& totals) {
    const auto vocabulary = totals.size(1);
    // Enough that every beam may end in a stop token and as many go on.
    const auto ends = static_cast<int64_t>(options.stop_tokens.size()) + 1;
    const auto count = std::min<int64_t>(ends * options.num_beams, totals.numel());
    const auto [best, index] = totals.flatten().topk(count);
    std::vector<Beam> next;
    std::vector<int64_t> parents;
    for (int64_t i = 0; i < count && next.size() < wanted(); ++i) {
      const auto flat = index[i].item<int64_t>(), token = flat % vocabulary;
      Beam beam = alive[static_cast<size_t>(flat / vocabulary)];
      beam.tokens.push_back(token);
      beam.log_probability = best[i].item<double>();
      if (!std::isfinite(beam.log_probability)) break;
      const double length = std::pow(static_cast<double>(beam.tokens.size()), options.length_penalty);
      beam.score = beam.log_probability == 0 ? 0 : beam.log_probability / length;  // a huge penalty makes length 0
      if (detail::holds(options.stop_tokens, token)) {
        finished.push_back(std::move(beam));
      } else {
        next.push_back(std::move(beam));
        parents.push_back(flat / vocabulary);
      }
    }
    alive = std::move(next);
    sort(finished);
    return parents;
  }

  bool over() const {
    if (alive.empty()) return true;
    return finished.size() >= wanted() && finished[wanted() - 1].score >= alive.front().score;
  }

  static void sort(std::vector<Beam>& beams) {
    std::stable_sort(beams.begin(), beams.end(), [](const Beam& a, const Beam& b) { return a.score > b.score; });
  }
};

}  // namespace

std::vector<Beam> beam_search(RetnetImpl& model, const RetentionState& state, std::span<const int64_t> prompt,
                              const BeamOptions& options, const std::function<bool()>& go_on) {
  check(options);
  const c10::InferenceMode inference;
  auto running = state;
  running.pending.clear();
  Search search{options};
  auto logits = prefill(model, running, detail::pending_and(state, prompt)).unsqueeze(0);  // [beams, V]
  for (int64_t step = 0; step < options.max_new_tokens; ++step) {
    if (step > 0 && go_on && !go_on()) break;
    const auto parents = search.advance(search.totals(logits));
    if (search.over() || step + 1 == options.max_new_tokens) break;
    running = running.select(parents);
    std::vector<int64_t> last;
    for (const auto& beam : search.alive) last.push_back(beam.tokens.back());
    const auto features = model.forward_features(torch::tensor(last, at::kLong).unsqueeze(1), &running);
    logits = detail::logits_of(model, features, running, "generate").select(1, 0);
  }
  auto beams = std::move(search.finished);
  beams.insert(beams.end(), search.alive.begin(), search.alive.end());
  Search::sort(beams);
  beams.resize(std::min(beams.size(), search.wanted()));
  return beams;
}

}  // namespace retentive::models
