#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include <datasets/coco_eval.h>
#include <datasets/detail/coco_matches.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace {

using detail::CellMatches;
using detail::EvalCell;
using detail::EvalInput;
using detail::kAreas;

constexpr int64_t kRecalls = 101;
constexpr int64_t kMaxDets = 3;

/// Mean of the values that are defined; -1 when there are none.
class Mean {
 public:
  void add(double value) {
    if (value <= -1) return;
    sum_ += value;
    ++count_;
  }
  double value() const { return count_ == 0 ? -1 : sum_ / static_cast<double>(count_); }

 private:
  double sum_ = 0;
  int64_t count_ = 0;
};

/// A category at one area range: for each threshold the mean of the 101 precisions and the recalls; -1 = undefined.
struct Scores {
  std::vector<double> precision;
  std::vector<std::array<double, kMaxDets>> recall;
};

/// A detection in the order of scores over all images of a category.
struct Ranked {
  double score;
  const CellMatches* matches;
  int64_t detections;  ///< of its cell
  int64_t place;       ///< in its cell, best first
};

std::vector<Ranked> rank_all(const EvalInput& input, std::span<const EvalCell> cells, const CellMatches* matches) {
  std::vector<Ranked> ranked;
  for (size_t c = 0; c < cells.size(); ++c) {
    const auto count = static_cast<int64_t>(cells[c].detections.size());
    for (int64_t place = 0; place < count; ++place) {
      ranked.push_back({input.detections[cells[c].detections[place]].score, matches + c, count, place});
    }
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) { return a.score > b.score; });
  return ranked;
}

/// Precision made monotone from the right, then read where recall first reaches 0, 0.01, ..., 1.
double mean_precision(std::vector<double>& precision, const std::vector<double>& recall) {
  for (size_t i = precision.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
  double sum = 0;
  auto at = recall.begin();
  for (int64_t i = 0; i < kRecalls; ++i) {
    const double wanted = i + 1 < kRecalls ? static_cast<double>(i) * 0.01 : 1.0;
    at = std::lower_bound(at, recall.end(), wanted);
    if (at == recall.end()) break;
    sum += precision[static_cast<size_t>(at - recall.begin())];
  }
  return sum / static_cast<double>(kRecalls);
}

class Accumulator {
 public:
  Accumulator(const std::vector<Ranked>& ranked, const CocoEvalOptions& options)
      : ranked_(ranked), options_(options), thresholds_(static_cast<int64_t>(options.iou_thresholds.size())) {}

  Scores run(int64_t area, int64_t positives) {
    Scores scores;
    scores.precision.assign(options_.iou_thresholds.size(), -1);
    scores.recall.assign(options_.iou_thresholds.size(), {-1, -1, -1});
    if (positives == 0) return scores;
    for (int64_t t = 0; t < thresholds_; ++t) {
      for (int64_t m = 0; m < kMaxDets; ++m) {
        scores.recall[t][m] = walk(area, t, options_.max_dets[m], static_cast<double>(positives));
      }
      scores.precision[t] = mean_precision(precision_, recall_);
    }
    return scores;
  }

 private:
  /// Fills the curve of precision over recall; the last recall.
  double walk(int64_t area, int64_t threshold, int64_t most, double positives) {
    constexpr double kTiny = std::numeric_limits<double>::epsilon();
    precision_.clear();
    recall_.clear();
    double hits = 0, misses = 0;
    for (const Ranked& item : ranked_) {
      if (item.place >= most) continue;
      const uint8_t flags = item.matches->flags[(area * thresholds_ + threshold) * item.detections + item.place];
      if (flags == detail::kMatched) ++hits;
      if (flags == 0) ++misses;
      recall_.push_back(hits / positives);
      precision_.push_back(hits / (misses + hits + kTiny));
    }
    return recall_.empty() ? 0 : recall_.back();
  }

  const std::vector<Ranked>& ranked_;
  const CocoEvalOptions& options_;
  int64_t thresholds_;
  std::vector<double> precision_;
  std::vector<double> recall_;
};

using ClassScores = std::array<Scores, kAreas>;

ClassScores score_class(const EvalInput& input, std::span<const EvalCell> cells, const CellMatches* matches,
                        const CocoEvalOptions& options) {
  const std::vector<Ranked> ranked = rank_all(input, cells, matches);
  Accumulator accumulator(ranked, options);
  ClassScores scores;
  for (int64_t area = 0; area < kAreas; ++area) {
    int64_t positives = 0;
    for (size_t c = 0; c < cells.size(); ++c) positives += matches[c].positives[area];
    scores[area] = accumulator.run(area, positives);
  }
  return scores;
}

double mean_ap(std::span<const ClassScores> classes, int64_t area, const std::vector<double>& thresholds,
               double only = -1) {
  Mean mean;
  for (const ClassScores& scores : classes) {
    for (size_t t = 0; t < thresholds.size(); ++t) {
      if (only < 0 || thresholds[t] == only) mean.add(scores[area].precision[t]);
    }
  }
  return mean.value();
}

double mean_ar(std::span<const ClassScores> classes, int64_t area, int64_t max_dets) {
  Mean mean;
  for (const ClassScores& scores : classes) {
    for (const auto& recall : scores[area].recall) mean.add(recall[max_dets]);
  }
  return mean.value();
}

CocoEvalOptions checked(CocoEvalOptions options) {
  const auto& most = options.max_dets;
  if (most[0] < 1 || most[1] < most[0] || most[2] < most[1]) {
    throw InvalidArgument("[coco_eval] max_dets is [" + std::to_string(most[0]) + ", " + std::to_string(most[1]) +
                          ", " + std::to_string(most[2]) + "]; ascending numbers of at least 1 are accepted");
  }
  auto& thresholds = options.iou_thresholds;
  if (thresholds.empty()) {
    // As numpy's linspace rounds it; AP75 looks for 0.75 exactly.
    constexpr double kStep = (0.95 - 0.5) / 9;
    for (int i = 0; i < 9; ++i) thresholds.push_back(i * kStep + 0.5);
    thresholds.push_back(0.95);
  }
  for (const double threshold : thresholds) {
    if (threshold > 0 && threshold <= 1) continue;
    throw InvalidArgument("[coco_eval] an IoU threshold is " + std::to_string(threshold) +
                          "; above 0 and up to 1 is accepted");
  }
  return options;
}

}  // namespace

CocoEval evaluate_coco(const CocoAnnotations& annotations, std::span<const CocoResult> results, CocoOverlap type,
                       const CocoEvalOptions& given) {
  CocoEval evaluation;
  evaluation.options = checked(given);
  const CocoEvalOptions& options = evaluation.options;
  const EvalInput input = detail::prepare_eval(annotations, results, type, options.max_dets[2], options.threads);
  const auto& cells = input.cells;
  evaluation.dropped = input.dropped;
  std::vector<CellMatches> matches(cells.size());
  detail::for_each_task(static_cast<int64_t>(cells.size()), options.threads, [&](int64_t i) {
    matches[i] = detail::match_cell(input, cells[i], type, options.iou_thresholds);
  });
  std::vector<ClassScores> classes(annotations.categories.size());
  detail::for_each_task(static_cast<int64_t>(classes.size()), options.threads, [&](int64_t label) {
    const auto by_label = [](const EvalCell& cell, int64_t wanted) { return cell.label < wanted; };
    const auto begin = std::lower_bound(cells.begin(), cells.end(), label, by_label);
    const auto end = std::lower_bound(begin, cells.end(), label + 1, by_label);
    classes[label] = score_class(input, {begin, end}, matches.data() + (begin - cells.begin()), options);
  });
  const auto& thresholds = options.iou_thresholds;
  evaluation.stats = {mean_ap(classes, 0, thresholds),
                      mean_ap(classes, 0, thresholds, 0.5),
                      mean_ap(classes, 0, thresholds, 0.75),
                      mean_ap(classes, 1, thresholds),
                      mean_ap(classes, 2, thresholds),
                      mean_ap(classes, 3, thresholds),
                      mean_ar(classes, 0, 0),
                      mean_ar(classes, 0, 1),
                      mean_ar(classes, 0, 2),
                      mean_ar(classes, 1, 2),
                      mean_ar(classes, 2, 2),
                      mean_ar(classes, 3, 2)};
  for (size_t i = 0; i < classes.size(); ++i) {
    const CocoCategory& category = annotations.categories[i];
    evaluation.per_class.push_back({category.id, category.name, mean_ap({&classes[i], 1}, 0, thresholds)});
  }
  return evaluation;
}

std::string stats_text(const CocoEval& evaluation) {
  struct Line {
    bool precision;
    const char* iou;
    const char* area;
    int most;
  };
  static constexpr Line kLines[12] = {{true, "", "all", 2},    {true, "0.50", "all", 2}, {true, "0.75", "all", 2},
                                      {true, "", "small", 2},  {true, "", "medium", 2},  {true, "", "large", 2},
                                      {false, "", "all", 0},   {false, "", "all", 1},    {false, "", "all", 2},
                                      {false, "", "small", 2}, {false, "", "medium", 2}, {false, "", "large", 2}};
  const auto& thresholds = evaluation.options.iou_thresholds;
  char range[32], text[128];
  std::snprintf(range, sizeof(range), "%.2f:%.2f", thresholds.front(), thresholds.back());
  std::string lines;
  for (size_t i = 0; i < std::size(kLines); ++i) {
    const auto& [precision, iou, area, most] = kLines[i];
    std::snprintf(text, sizeof(text), " %-18s %s @[ IoU=%-9s | area=%6s | maxDets=%3lld ] = %0.3f\n",
                  precision ? "Average Precision" : "Average Recall", precision ? "(AP)" : "(AR)", *iou ? iou : range,
                  area, static_cast<long long>(evaluation.options.max_dets[most]), evaluation.stats[i]);
    lines += text;
  }
  return lines;
}

}  // namespace retentive::datasets
