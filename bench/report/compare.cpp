#include <bench/report/compare.h>

#include <bench/report/analysis.h>
#include <bench/report/format.h>
#include <bench/report/statistics.h>
#include <bench/report/table.h>
#include <retention/base/error.h>

namespace retentive::bench {
namespace {

constexpr double kSignificant = 0.05;

std::string name_of(const Cell& cell) {
  auto name = cell.task + " " + (cell.runtime == Cell().runtime ? "" : cell.runtime + " ") + cell.model;
  if (!cell.form.empty()) name += " " + cell.form;
  name += " " + cell.precision;
  name += cell.height > 0 ? " " + size_text(cell.height, cell.width) : " " + std::to_string(cell.tokens) + " tokens";
  if (cell.batch > 1) name += " batch " + std::to_string(cell.batch);
  if (cell.instances > 1) name += " x " + std::to_string(cell.instances);
  return name;
}

const Cell* find(const Results& results, const std::string& name) {
  for (const auto& cell : results.cells) {
    if (name_of(cell) == name) return &cell;
  }
  return nullptr;
}

std::string differing_conditions(const Results& before, const Results& after) {
  std::string text;
  const auto note = [&](const char* what, const std::string& a, const std::string& b) {
    if (a != b) text += std::string("note: ") + what + " differs: " + a + " and " + b + "\n";
  };
  const auto &a = before.machine, &b = after.machine;
  note("threads", std::to_string(before.threads), std::to_string(after.threads));
  note("processor", a.cpu, b.cpu);
  note("instruction set", a.isa, b.isa);
  note("commit", before.commit, after.commit);
  note("retentive", a.retentive, b.retentive);
  note("LibTorch", a.libtorch, b.libtorch);
  note("oneDNN", a.onednn, b.onednn);
  note("cache state of the machine", cache_state(a.pingpong_ns), cache_state(b.pingpong_ns));
  return text;
}

/// One cell that both have.
struct Pair {
  std::string name;
  const Cell* before;
  const Cell* after;
};

std::vector<Pair> pairs_of(const Results& before, const Results& after, std::string& notes) {
  std::vector<Pair> pairs;
  for (const auto& cell : before.cells) {
    const auto name = name_of(cell);
    const auto* other = find(after, name);
    if (other == nullptr) {
      notes += "note: only before: " + name + "\n";
    } else if (cell.ran() && other->ran()) {
      pairs.push_back({name, &cell, other});
    } else if (cell.ran() != other->ran()) {
      notes += "note: not run " + std::string(cell.ran() ? "after" : "before") + ": " + name + ": " +
               (cell.ran() ? other->skipped : cell.skipped) + "\n";
    }
  }
  for (const auto& cell : after.cells) {
    if (find(before, name_of(cell)) == nullptr) notes += "note: only after: " + name_of(cell) + "\n";
  }
  return pairs;
}

}  // namespace

Comparison compare_results(const Results& before, const Results& after, double threshold_percent) {
  auto notes = differing_conditions(before, after);
  const auto pairs = pairs_of(before, after, notes);
  if (pairs.empty()) {
    throw DataError(
        "[bench] the two results have no cell in common; compare measurements of the same models and "
        "sizes");
  }
  std::vector<double> p_values;
  for (const auto& pair : pairs) p_values.push_back(mann_whitney_p(pair.before->times_ms, pair.after->times_ms));
  p_values = holm_adjusted(p_values);
  Comparison result;
  bool unclear = false;
  Table table{.header = {"cell", ">ms before", ">ms after", ">ratio", ">95 % interval", ">p", "verdict"}};
  for (size_t i = 0; i < pairs.size(); ++i) {
    const auto& [name, a, b] = pairs[i];
    const auto ratio = median_ratio(a->times_ms, b->times_ms);
    const bool slower = ratio.low > 1 + threshold_percent / 100;
    const bool faster = ratio.high < 1 / (1 + threshold_percent / 100);
    const bool significant = p_values[i] < kSignificant;
    result.loss = result.loss || (slower && significant);
    unclear = unclear || ((slower || faster) && !significant);
    const auto verdict = !slower && !faster ? "no difference" : !significant ? "unclear" : slower ? "slower" : "faster";
    table.rows.push_back({name, format("%.3f", quartiles_of(*a).median), format("%.3f", quartiles_of(*b).median),
                          format("%.3f", ratio.ratio), format("%.3f to %.3f", ratio.low, ratio.high),
                          format("%.2g", p_values[i]), verdict});
  }
  if (unclear) notes += "note: unclear: beyond the threshold in too few runs to be sure; measure with more --reps\n";
  result.text = table.text() + notes;
  return result;
}

}  // namespace retentive::bench
