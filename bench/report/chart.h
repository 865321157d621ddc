#pragma once

#include <string>
#include <vector>

#include <retention/base/export.h>

namespace retentive::bench {

/// A measured value and its spread.
struct Point {
  double x = 0, y = 0;
  double low = 0, high = 0;  ///< of y; equal to it where there is no spread
  std::string hint;          ///< what is told when a pointer rests on it
};

struct Curve {
  std::string label;
  int colour = 0;  ///< of the page's palette; also chooses the marker
  std::vector<Point> points;
};

/// A place that deserves a word, such as where two curves cross.
struct Mark {
  double x = 0, y = 0;
  std::string hint;
};

/// Both axes logarithmic. Curves are named at their ends.
struct LogChart {
  std::string title;
  std::string x_title, y_title;
  std::vector<double> x_ticks;  ///< the values that were measured at
  std::vector<Curve> curves;
  std::vector<Mark> marks = {};

  std::string svg() const;
};

/// 1, 2, 5 times powers of ten from about `low` to about `high`; within less than a decade more, over many decades the
/// powers of ten alone.
RETENTIVE_API std::vector<double> log_ticks(double low, double high);

/// A part of a bar.
struct Part {
  std::string label;
  double value = 0;
};
struct Bar {
  std::string label;
  std::string total;  ///< written behind it
  std::vector<Part> parts;
};
/// Horizontal bars of equal length, cut in proportion; parts of one name have one colour, given by `order`.
std::string stacked_bars(const std::string& title, const std::vector<Bar>& bars, const std::vector<std::string>& order);

/// A value in a bar chart.
struct Amount {
  std::string label;
  std::string text;  ///< written behind the bar
  int colour = 0;
  double value = 0;
};
/// Horizontal bars as long as their values.
std::string bars(const std::string& title, const std::vector<Amount>& amounts);

/// An operation in a roofline chart.
struct RooflinePoint {
  std::string label;
  int colour = 0;
  double intensity = 0;  ///< GMAC per GB
  double gmacs_per_s = 0;
  double share = 0;  ///< of the time of its model
};
struct Ceiling {
  std::string label;
  double gmacs_per_s = 0;
};
/// Speed against arithmetic intensity below the ceilings of products and of memory.
std::string roofline(const std::string& title, const std::vector<RooflinePoint>& points,
                     const std::vector<Ceiling>& ceilings, double read_gb_per_s);

}  // namespace retentive::bench
