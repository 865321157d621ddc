#include <bench/report/analysis.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include <bench/report/format.h>
#include <bench/report/statistics.h>
#include <retention/base/error.h>

namespace retentive::bench {
namespace {

bool alike(const Cell& a, const Cell& b) {
  return a.task == b.task && a.runtime == b.runtime && a.model == b.model && a.mixer == b.mixer && a.form == b.form &&
         a.precision == b.precision && a.batch == b.batch && a.instances == b.instances;
}

bool comparable(const Cell& a, const Cell& b) {
  return a.task == b.task && a.precision == b.precision && a.batch == b.batch && a.instances == b.instances;
}

// Models cut images into tokens of different sizes: images are compared by their sides, text by its tokens.
std::vector<std::pair<const Cell*, const Cell*>> common(const Series& a, const Series& b) {
  std::vector<std::pair<const Cell*, const Cell*>> pairs;
  for (const auto* left : a.cells) {
    for (const auto* right : b.cells) {
      if (same_input(*left, *right)) pairs.emplace_back(left, right);
    }
  }
  return pairs;
}

double median(const Cell& cell) { return quartiles_of(cell).median; }

// Whether the middle halves of the times overlap, or the medians differ by less than a machine drifts between runs.
bool no_difference(const Cell& a, const Cell& b) {
  constexpr double kDrift = 1.05;
  const auto left = quartiles_of(a), right = quartiles_of(b);
  return (left.q1 <= right.q3 && right.q1 <= left.q3) ||
         std::max(left.median, right.median) < kDrift * std::min(left.median, right.median);
}

// What a label must say beside the model.
struct Varying {
  bool runtime = false, form = false, precision = false, batch = false, instances = false;
};

Varying varying(const std::vector<const Cell*>& cells) {
  const auto differs = [&](auto field) {
    return std::ranges::any_of(cells, [&](const Cell* cell) { return field(*cell) != field(*cells.front()); });
  };
  // A model with several forms tells them apart even beside models with one.
  std::set<std::string> forms;
  for (const auto* cell : cells) forms.insert(cell->form);
  forms.erase("");
  return {.runtime = differs([](const Cell& cell) { return cell.runtime; }),
          .form = forms.size() > 1,
          .precision = differs([](const Cell& cell) { return cell.precision; }),
          .batch = differs([](const Cell& cell) { return cell.batch; }),
          .instances = differs([](const Cell& cell) { return cell.instances; })};
}

std::string label_of(const Cell& cell, const Varying& shown) {
  auto label = shown.runtime ? cell.runtime + " " + cell.model : cell.model;
  if (shown.form && !cell.form.empty()) label += " " + cell.form;
  if (shown.precision && !cell.precision.empty()) label += " " + cell.precision;
  if (shown.batch) label += " batch " + std::to_string(cell.batch);
  if (shown.instances) label += " x " + std::to_string(cell.instances);
  return label;
}

}  // namespace

Quartiles quartiles_of(const Cell& cell) {
  return {percentile(cell.times_ms, 0.25), percentile(cell.times_ms, 0.5), percentile(cell.times_ms, 0.75)};
}

bool same_input(const Cell& a, const Cell& b) {
  return a.height == b.height && a.width == b.width && (a.height > 0 || a.tokens == b.tokens);
}

std::string place_of(const Cell& cell) {
  return cell.height > 0 ? size_text(cell.height, cell.width) : std::to_string(cell.tokens) + " tokens";
}

double items_per_s(const Cell& cell) {
  const bool many = cell.height == 0 && cell.task != "decode";
  const double passes = static_cast<double>(cell.batch) * static_cast<double>(cell.instances);
  return 1e3 * passes * static_cast<double>(many ? cell.tokens : 1) / median(cell);
}

const char* items_of(const Cell& cell) { return cell.height > 0 ? "images" : "tokens"; }

double working_mb(const Cell& cell) {
  return cell.loaded_rss_mb > 0 ? std::max(0.0, cell.peak_rss_mb - cell.loaded_rss_mb) : 0;
}

double gmacs_per_s(const Cell& cell) { return 1e3 * cell.gmacs / median(cell); }

double peak_share(const Results& results, const Cell& cell) {
  const auto peak = results.peak_gmacs_per_s.find(cell.precision);
  return peak == results.peak_gmacs_per_s.end() || peak->second <= 0 ? 0 : gmacs_per_s(cell) / peak->second;
}

double bandwidth_share(const Results& results, const Cell& cell) {
  return results.read_gb_per_s > 0 ? 1e3 * cell.read_gb / median(cell) / results.read_gb_per_s : 0;
}

PowerLaw fit_power_law(const std::vector<double>& x, const std::vector<double>& y) {
  const size_t n = x.size();
  const auto positive = [](double value) { return value > 0 && std::isfinite(value); };
  if (n < 3 || y.size() != n || !std::ranges::all_of(x, positive) || !std::ranges::all_of(y, positive)) {
    throw InvalidArgument("[analysis] " + std::to_string(n) + " and " + std::to_string(y.size()) +
                          " values; a power law takes at least three pairs of positive numbers");
  }
  const auto mean_log = [](const std::vector<double>& values) {
    double sum = 0;
    for (const double value : values) sum += std::log(value);
    return sum / static_cast<double>(values.size());
  };
  const double mean_x = mean_log(x), mean_y = mean_log(y);
  double xx = 0, xy = 0;
  for (size_t i = 0; i < n; ++i) {
    const double dx = std::log(x[i]) - mean_x;
    xx += dx * dx;
    xy += dx * (std::log(y[i]) - mean_y);
  }
  if (xx == 0) throw InvalidArgument("[analysis] every x is " + std::to_string(x[0]) + "; a power law takes several");
  PowerLaw law{.exponent = xy / xx, .points = static_cast<int>(n)};
  law.factor = std::exp(mean_y - law.exponent * mean_x);
  double residual = 0;
  for (size_t i = 0; i < n; ++i) {
    const double error = std::log(y[i]) - std::log(law.factor) - law.exponent * std::log(x[i]);
    residual += error * error;
  }
  const double freedom = static_cast<double>(n) - 2;
  const double reach = student_t_975(law.points - 2) * std::sqrt(residual / freedom / xx);
  law.low = law.exponent - reach;
  law.high = law.exponent + reach;
  return law;
}

std::string exponent_text(const PowerLaw& law) {
  return hundredths(law.exponent) + " (" + hundredths(law.low) + " to " + hundredths(law.high) + ")";
}

std::vector<Series> series_of(const Results& results, const std::string& task) {
  std::vector<const Cell*> cells;
  for (const auto& cell : results.cells) {
    if (cell.task == task) cells.push_back(&cell);
  }
  if (cells.empty()) return {};
  const auto shown = varying(cells);
  auto within = shown;
  within.precision = within.batch = false;
  std::vector<Series> series;
  for (const auto* cell : cells) {
    auto found = std::ranges::find_if(series, [&](const Series& known) { return alike(known.front(), *cell); });
    if (found == series.end()) {
      found = series.insert(
          series.end(), {.label = label_of(*cell, shown), .name = label_of(*cell, within), .cells = {}, .skipped = {}});
    }
    (cell->ran() ? found->cells : found->skipped).push_back(cell);
  }
  for (auto& one : series) {
    std::ranges::stable_sort(one.cells, {}, &Cell::tokens);
    std::ranges::stable_sort(one.skipped, {}, &Cell::tokens);
  }
  return series;
}

Scaling scaling_of(const Series& series) {
  std::vector<double> tokens, times, used_tokens, memory;
  std::set<int64_t> distinct;
  for (const auto* cell : series.cells) {
    const auto count = static_cast<double>(cell->tokens);
    if (count <= 0) continue;
    distinct.insert(cell->tokens);
    tokens.push_back(count);
    times.push_back(median(*cell));
    if (working_mb(*cell) <= 0) continue;
    used_tokens.push_back(count);
    memory.push_back(working_mb(*cell));
  }
  Scaling scaling;
  if (distinct.size() < 3) return scaling;
  scaling.time = fit_power_law(tokens, times);
  if (memory.size() == tokens.size()) scaling.memory = fit_power_law(used_tokens, memory);
  return scaling;
}

std::vector<Crossover> crossovers(const std::vector<Series>& series) {
  std::vector<Crossover> found;
  for (size_t a = 0; a < series.size(); ++a) {
    for (size_t b = a + 1; b < series.size(); ++b) {
      if (!comparable(series[a].front(), series[b].front())) continue;
      const auto pairs = common(series[a], series[b]);
      // Logarithm of how much longer the first takes; its sign changes where they cross.
      const auto lead = [&](size_t i) { return std::log(median(*pairs[i].first) / median(*pairs[i].second)); };
      size_t last = 0;  // the latest size at which one was clearly faster
      while (last < pairs.size() && no_difference(*pairs[last].first, *pairs[last].second)) ++last;
      for (size_t i = last + 1; i < pairs.size(); ++i) {
        if (no_difference(*pairs[i].first, *pairs[i].second)) continue;
        const size_t begin = std::exchange(last, i);
        if (lead(begin) * lead(i) >= 0) continue;
        const bool first_leads = lead(begin) < 0;
        size_t start = begin;
        while (lead(start) * lead(start + 1) > 0) ++start;
        const double share = lead(start) / (lead(start) - lead(start + 1));  // 1 where they are equal first
        const auto between = [&](double from, double to) { return from * std::pow(to / from, share); };
        const auto* from = first_leads ? pairs[start].first : pairs[start].second;
        const auto* to = first_leads ? pairs[start + 1].first : pairs[start + 1].second;
        const auto side = [](const Cell& cell) { return std::sqrt(static_cast<double>(cell.height * cell.width)); };
        found.push_back({.before = &series[first_leads ? a : b],
                         .after = &series[first_leads ? b : a],
                         .tokens = between(static_cast<double>(from->tokens), static_cast<double>(to->tokens)),
                         .pixels = from->height > 0 ? between(side(*from), side(*to)) : 0});
      }
    }
  }
  return found;
}

std::vector<SpeedUp> speed_ups(const std::vector<Series>& series) {
  std::vector<SpeedUp> found;
  for (const auto& one : series) {
    const auto baseline = std::ranges::find_if(series, [&](const Series& other) {
      return other.front().mixer == "attention" && other.front().runtime == one.front().runtime &&
             comparable(other.front(), one.front());
    });
    if (baseline == series.end() || &*baseline == &one || one.front().mixer.empty()) continue;
    SpeedUp speed{.series = &one, .baseline = &*baseline, .ratios = {}};
    for (const auto& [cell, other] : common(one, *baseline)) {
      speed.ratios.emplace_back(cell, median(*other) / median(*cell));
    }
    if (!speed.ratios.empty()) found.push_back(std::move(speed));
  }
  return found;
}

std::vector<PeerRatio> peer_ratios(const Results& results) {
  const auto ours = [](const Cell& cell) { return cell.runtime == Cell().runtime; };
  const auto have = [&](const std::string& model) {
    return std::ranges::any_of(results.cells, [&](const Cell& cell) { return ours(cell) && cell.model == model; });
  };
  const auto beside = [&](const Cell& cell, const Cell& peer) {
    return !ours(peer) && peer.ran() && peer.task == cell.task && peer.batch == cell.batch && same_input(cell, peer) &&
           (peer.model == cell.model || !have(peer.model));
  };
  std::vector<PeerRatio> found;
  for (const auto& cell : results.cells) {
    if (!ours(cell) || !cell.ran()) continue;
    const auto first = static_cast<std::ptrdiff_t>(found.size());
    for (const auto& peer : results.cells) {
      if (!beside(cell, peer)) continue;
      const PeerRatio ratio{&cell, &peer, median(peer) / median(cell)};
      const auto known = std::find_if(found.begin() + first, found.end(), [&](const PeerRatio& other) {
        return other.peer->runtime == peer.runtime && other.peer->model == peer.model &&
               other.peer->precision == peer.precision;
      });
      if (known == found.end()) {
        found.push_back(ratio);
      } else if (ratio.ratio < known->ratio) {
        *known = ratio;
      }
    }
  }
  return found;
}

}  // namespace retentive::bench
