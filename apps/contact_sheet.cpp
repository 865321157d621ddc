#include <apps/contact_sheet.h>

#include <bench/report/style.h>
#include <bench/report/svg.h>
#include <datasets/image_io.h>
#include <retention/base/base64.h>

namespace retentive::apps {
namespace {

using bench::escaped;

// Added to the style of the project's reports.
constexpr const char* kStyle = R"(
body{max-width:1400px}
h2{overflow-wrap:anywhere}
.sheet{columns:3 400px;column-gap:16px}
.sheet figure{margin:0 0 16px;break-inside:avoid}
.sheet img{display:block;max-width:100%;height:auto;margin:0 auto;border-radius:6px}
figcaption{margin-top:.7em;line-height:1.45}
)";

std::string image_html(const Figure& figure) {
  const auto png = datasets::encode_png(figure.picture);
  const std::string_view bytes(reinterpret_cast<const char*>(png.data()), png.size());
  return "<img alt=\"" + escaped(figure.title) + "\" width=\"" + std::to_string(figure.picture.width) + "\" height=\"" +
         std::to_string(figure.picture.height) + "\" src=\"data:image/png;base64," + to_base64(bytes) + "\">";
}

std::string section_html(const SheetSection& section) {
  std::string html = "<h2>" + escaped(section.title) + "</h2>\n";
  if (!section.note.empty()) html += "<p>" + escaped(section.note) + "</p>\n";
  html += "<div class=\"sheet\">\n";
  for (const auto& figure : section.figures) {
    html += "<figure><h3>" + escaped(figure.title) + "</h3>" + image_html(figure) + "<figcaption>" +
            escaped(figure.caption) + "</figcaption></figure>\n";
  }
  return html + "</div>\n";
}

}  // namespace

std::string contact_sheet_html(const std::string& title, const std::string& introduction,
                               const std::vector<SheetSection>& sections) {
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>" +
      escaped(title) + "</title>\n<style>" + bench::kStyle + kStyle + "</style></head><body>\n<h1>" + escaped(title) +
      "</h1>\n<p class=\"dim\">" + escaped(introduction) + "</p>\n";
  for (const auto& section : sections) html += section_html(section);
  return html + "</body></html>\n";
}

}  // namespace retentive::apps
