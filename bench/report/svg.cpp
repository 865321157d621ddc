#include <bench/report/svg.h>

#include <bench/report/format.h>

namespace retentive::bench {
namespace {

std::string attribute(const char* name, double value) { return std::string(" ") + name + format("=\"%.1f\"", value); }

std::string class_of(const std::string& style) { return style.empty() ? "" : " class=\"" + style + "\""; }

}  // namespace

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

Svg::Svg(double width, double height, const std::string& title) {
  body_ = "<svg viewBox=\"0 0 " + format("%.0f %.0f", width, height) + "\" role=\"img\"><title>" + escaped(title) +
          "</title>\n";
}

void Svg::line(double x1, double y1, double x2, double y2, const std::string& style) {
  body_ += "<line" + attribute("x1", x1) + attribute("y1", y1) + attribute("x2", x2) + attribute("y2", y2) +
           class_of(style) + "/>\n";
}

void Svg::polyline(const std::vector<std::pair<double, double>>& points, const std::string& style) {
  body_ += "<polyline" + class_of(style) + " points=\"";
  for (const auto& [x, y] : points) body_ += format("%.1f,%.1f ", x, y);
  body_ += "\"/>\n";
}

void Svg::shape(const std::string& element, const std::string& hint) {
  if (hint.empty()) {
    body_ += "<" + element + "/>\n";
    return;
  }
  const auto name = element.substr(0, element.find(' '));
  body_ += "<" + element + "><title>" + escaped(hint) + "</title></" + name + ">\n";
}

void Svg::rectangle(double x, double y, double width, double height, const std::string& style,
                    const std::string& hint) {
  shape("rect" + attribute("x", x) + attribute("y", y) + attribute("width", width) + attribute("height", height) +
            class_of(style),
        hint);
}

void Svg::circle(double x, double y, double radius, const std::string& style, const std::string& hint) {
  shape("circle" + attribute("cx", x) + attribute("cy", y) + attribute("r", radius) + class_of(style), hint);
}

void Svg::marker(double x, double y, int series, const std::string& hint) {
  constexpr double kSize = 4.5;
  const auto style = class_of("dot s" + std::to_string(series % 8));
  const auto polygon = [&](const std::vector<std::pair<double, double>>& corners) {
    std::string points;
    for (const auto& [dx, dy] : corners) points += format("%.1f,%.1f ", x + kSize * dx, y + kSize * dy);
    shape("polygon points=\"" + points + "\"" + style, hint);
  };
  switch (series % 5) {
    case 0:
      return shape("circle" + attribute("cx", x) + attribute("cy", y) + attribute("r", kSize) + style, hint);
    case 1:
      return polygon({{-0.9, -0.9}, {0.9, -0.9}, {0.9, 0.9}, {-0.9, 0.9}});
    case 2:
      return polygon({{0, -1.2}, {1.1, 0.9}, {-1.1, 0.9}});
    case 3:
      return polygon({{0, -1.3}, {1.3, 0}, {0, 1.3}, {-1.3, 0}});
    default:
      return polygon({{0, 1.2}, {1.1, -0.9}, {-1.1, -0.9}});
  }
}

void Svg::text(double x, double y, const std::string& text, const std::string& style, const char* anchor) {
  body_ += "<text" + attribute("x", x) + attribute("y", y) + class_of(style) +
           (std::string(anchor) == "start" ? "" : std::string(" text-anchor=\"") + anchor + "\"") + ">" +
           escaped(text) + "</text>\n";
}

}  // namespace retentive::bench
