#include <regex>

#include <bench/report/chart.h>
#include <bench/report/html.h>
#include <bench/report/svg.h>
#include <bench/report_cells.h>
#include <support/catch.h>

namespace retentive::testing {
namespace {

using namespace retentive::bench;
using Catch::Matchers::Contains;

Results study() {
  std::vector<Cell> cells;
  for (const int64_t side : {224, 384, 512, 1024, 2048}) {
    const auto n = static_cast<double>(side * side) / 256;
    for (const auto* precision : {"fp32", "bf16"}) {
      cells.push_back(image_cell("vir_s", side, 0.05 * n, "retention", "chunkwise"));
      cells.push_back(image_cell("vit_s", side, 0.02 * n + 4e-5 * n * n, "attention"));
      for (auto* cell : {&cells.back(), &cells[cells.size() - 2]}) {
        cell->precision = precision;
        cell->operations = {{"linear 384 -> 384", 12, cell->times_ms[0] / 2, 0.5, 0.01},
                            {"attention", 12, cell->times_ms[0] / 4, 0.25, 0.002}};
      }
    }
  }
  return results_of(cells);
}

// Whether every element is closed in order.
bool balanced(const std::string& html) {
  std::vector<std::string> open;
  const std::regex tag(R"(<(/?)([a-z0-9]+)[^>]*?(/?)>)");
  for (std::sregex_iterator it(html.begin(), html.end(), tag), end; it != end; ++it) {
    const std::string name = (*it)[2];
    if ((*it)[3].length() > 0 || name == "meta") continue;
    if ((*it)[1].length() == 0) {
      open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      return false;
    } else {
      open.pop_back();
    }
  }
  return open.empty();
}

TEST_CASE("the page is whole, needs nothing else and is the same every time") {
  const auto html = report_html({study()});
  CHECK(html.starts_with("<!doctype html>"));
  CHECK(balanced(html.substr(html.find('\n') + 1)));
  CHECK(html.size() < 1'000'000);
  CHECK(html.find("http") == std::string::npos);
  CHECK(html.find("src=") == std::string::npos);
  CHECK(html.find("nan") == std::string::npos);
  CHECK(html == report_html({study()}));
  for (const auto* part : {"Time, fp32", "Time, bf16", "Throughput, bf16", "Working memory, fp32", "Roofline, fp32",
                           "Where the time goes, bf16", "power 1.00", "prefers-color-scheme:dark", "viewport"}) {
    CHECK_THAT(html, Contains(part));
  }
  CHECK_THAT(html, Contains("vir_s fp32 overtakes vit_s fp32") || Contains("overtakes"));
  CHECK_THAT(html, !Contains("Decoding") && !Contains("Reading a prompt"));
}

Cell decoding_step(int64_t tokens, int64_t batch, double ms) {
  Cell step{.task = "decode", .model = "retnet", .mixer = "retention", .precision = "bf16"};
  step.tokens = tokens;
  step.batch = batch;
  step.times_ms = {ms, 1.1 * ms};
  step.state_mb = 27 * static_cast<double>(batch);
  return step;
}

TEST_CASE("text has sections of its own") {
  const auto html = report_html({study(), results_of({decoding_step(1024, 1, 10), decoding_step(4096, 1, 10)})});
  CHECK_THAT(html, Contains("Decoding") && Contains("State, bf16"));
}

TEST_CASE("more batches than sizes are drawn against the batch") {
  const auto html = report_html({results_of({decoding_step(1024, 1, 10), decoding_step(1024, 4, 12),
                                             decoding_step(1024, 8, 15), decoding_step(4096, 8, 15)})});
  CHECK_THAT(html, Contains(">batch</text>") && Contains("retnet, 1024 tokens</text>"));
  CHECK_THAT(html, !Contains("Time, bf16, batch"));
}

TEST_CASE("a single size gives bars as long as the times") {
  const auto html = report_html({results_of({decoding_step(1024, 1, 10), decoding_step(1024, 8, 30)})});
  CHECK_THAT(html, Contains("retnet batch 8</text>") && Contains("31.5 ms</text>") && !Contains("Fastest"));
  const std::regex bar("<rect [^>]*width=\"([0-9.]+)\"");
  std::vector<double> widths;
  for (std::sregex_iterator it(html.begin(), html.end(), bar), end; it != end; ++it)
    widths.push_back(std::stod((*it)[1]));
  REQUIRE(widths.size() == 2);
  CHECK_THAT(widths[1] / widths[0], Catch::Matchers::WithinAbs(3, 0.02));
}

TEST_CASE("names of curves are whole and stand above the chart as well") {
  auto results = study();
  const std::string name = "a_model_with_a_name_of_thirty_letters";
  for (auto& cell : results.cells) {
    if (cell.model == "vir_s") cell.model = name;
  }
  const auto html = report_html({results});
  const std::regex label("<text x=\"([0-9.]+)\"[^>]*>" + name + "</text>");
  std::smatch found;
  REQUIRE(std::regex_search(html, found, label));
  CHECK(std::stod(found[1]) + 7 * static_cast<double>(name.size()) < 720);
  CHECK_THAT(html, Contains("class=\"s0\">" + name + "</span>"));
}

TEST_CASE("names cannot become mark-up") {
  auto results = study();
  for (auto& cell : results.cells) cell.model = "<script>alert('x')</script>&\"";
  results.command = "</code><img>";
  const auto html = report_html({results});
  CHECK(html.find("<script>") == std::string::npos);
  CHECK(html.find("<img>") == std::string::npos);
  CHECK_THAT(html, Contains("&lt;script&gt;"));
  CHECK(escaped("a<b>&\"'") == "a&lt;b&gt;&amp;&quot;&#39;");
}

TEST_CASE("three hundred profiled cells stay below a megabyte") {
  auto results = study();
  while (results.cells.size() < 300) {
    auto cell = results.cells[results.cells.size() % 10];
    cell.model += std::to_string(results.cells.size() / 10);
    results.cells.push_back(cell);
  }
  CHECK(report_html({results}).size() < 1'000'000);
}

TEST_CASE("ticks of a logarithmic axis") {
  CHECK(log_ticks(1, 10) == std::vector<double>{1, 2, 5, 10, 20});
  CHECK(log_ticks(30, 400) == std::vector<double>{20, 50, 100, 200, 500});
  CHECK(log_ticks(19, 32) == std::vector<double>{10, 15, 20, 30, 40, 50, 60});
  CHECK(log_ticks(0.9, 20'000) == std::vector<double>{1, 10, 100, 1000, 10'000});
}

}  // namespace
}  // namespace retentive::testing
