#pragma once

#include <string>
#include <vector>

#include <retention/base/export.h>

namespace retentive::bench {

/// `text` with the characters that mark-up gives a meaning replaced.
RETENTIVE_API std::string escaped(const std::string& text);

/// A picture that scales with its place on the page; colours are classes s0..s7 of the page's style sheet.
class Svg {
 public:
  /// In units of about a pixel. `title` is read to people who do not see it.
  Svg(double width, double height, const std::string& title);

  void line(double x1, double y1, double x2, double y2, const std::string& style);
  void polyline(const std::vector<std::pair<double, double>>& points, const std::string& style);
  void rectangle(double x, double y, double width, double height, const std::string& style, const std::string& hint);
  /// The marker of a series: a circle, square, triangle, diamond, and so on by number.
  void marker(double x, double y, int series, const std::string& hint);
  void circle(double x, double y, double radius, const std::string& style, const std::string& hint);
  /// `anchor`: "start", "middle" or "end".
  void text(double x, double y, const std::string& text, const std::string& style = "", const char* anchor = "start");

  std::string finish() const { return body_ + "</svg>\n"; }

 private:
  void shape(const std::string& element, const std::string& hint);

  std::string body_;
};

}  // namespace retentive::bench
