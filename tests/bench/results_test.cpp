#include <bench/report/analysis.h>
#include <bench/report/results.h>
#include <bench/report/table.h>
#include <bench/report/tables.h>
#include <bench/report_cells.h>
#include <retention/base/error.h>
#include <support/catch.h>

namespace retentive::testing {
namespace {

using namespace retentive::bench;
using Catch::Matchers::Contains;

Results sample() {
  auto cell = image_cell("vir_s", 512, 4, "retention", "chunkwise");
  cell.operations = {{"linear 64 -> 192", 12, 1.5, 0.25, 0.125}, {"layer norm 32x32x64", 3, 0.5, 0, 0}};
  auto skipped = image_cell("vit_s", 2048, 0, "attention");
  skipped.times_ms.clear();
  skipped.skipped = "predicted to take \"long\", 900 s";
  return results_of({cell, skipped});
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST_CASE("results survive a file, six digits of every number") {
  const auto before = sample();
  const auto text = results_json(before);
  const auto after = parse_results(text, "memory");
  CHECK(results_json(after) == text);
  CHECK(after.commit == before.commit);
  CHECK(after.machine.cpu == "A processor");
  CHECK(after.peak_gmacs_per_s == before.peak_gmacs_per_s);
  REQUIRE(after.cells.size() == 2);
  CHECK(after.cells[0].times_ms == before.cells[0].times_ms);
  REQUIRE(after.cells[0].operations.size() == 2);
  CHECK(after.cells[0].operations[0].gigabytes == 0.125);
  CHECK(after.cells[1].skipped == before.cells[1].skipped);
  CHECK_FALSE(after.cells[1].ran());
}

TEST_CASE("a results file that is none is refused with its fault") {
  const auto text = results_json(sample());
  const auto refused = [](const std::string& broken, const std::string& fault) {
    CAPTURE(fault);
    CHECK_THROWS_AS(parse_results(broken, "r.json"), DataError);
    CHECK_THROWS_WITH(parse_results(broken, "r.json"),
                      Contains("r.json") && Contains(fault) && Contains("measure again"));
  };
  const auto half = text.substr(0, text.size() / 2);
  refused("", "is no JSON from byte 1 on");
  refused(half, "is no JSON from byte " + std::to_string(half.size() + 1) + " on");
  refused("[1]", "is no object");
  refused(replaced(text, "retentive.results", "other"), "format is \"other\"");
  refused(replaced(text, "\"version\": 1", "\"version\": 2"), "version is 2");
  refused(replaced(text, "\"threads\": 2", "\"threads\": \"two\""), "threads is of a wrong type");
  refused(replaced(text, "\"threads\": 2", "\"threads\": 2.5"), "threads is of a wrong type");
  refused(replaced(text, "\"threads\": 2", "\"threads\": -2"), "threads is -2");
  refused(replaced(text, "\"threads\"", "\"strands\""), "threads is missing");
  refused(replaced(text, "\"isa\"", "\"isb\""), "machine.isa is missing");
  refused(replaced(text, "\"model\":\"vir_s\"", "\"model\":7"), "cells[0].model is of a wrong type");
  refused(replaced(text, "\"times_ms\":[4", "\"times_ms\":[-4"), "cells[0].times_ms is -4");
  refused(replaced(text, "\"times_ms\":[4", "\"times_ms\":[0"), "cells[0].times_ms has a time of 0");
  refused(replaced(text, "\"times_ms\":[4", "\"times_ms\":[null,4"), "cells[0].times_ms is of a wrong type");
  refused(replaced(text, "\"skipped\":\"pre", "\"skipped\":\"\",\"x\":\"pre"), "cells[1].times_ms is empty");
  refused(replaced(text, "\"times_ms\":[4", "\"times_ms\":[1e999,4"), "does not fit into 64 bits");
  refused(replaced(text, "\"times_ms\":[4", "\"times_ms\":[NaN,4"), "is no JSON from byte");
  refused(replaced(text, "\"height\":512", "\"height\":9000000000000000000"), "cells[0].height is 9000000000000000000");
  refused(replaced(text, "\"tokens\":1024", "\"tokens\":18446744073709551615"), "cells[0].tokens is -1");
  refused(replaced(text, "\"batch\":1", "\"batch\":0"), "cells[0].batch is 0");
  refused(replaced(text, "\"instances\":1", "\"instances\":0"), "cells[0].instances is 0");
  refused(replaced(text, "\"fp32\": 200", "\"fp32\": -200"), "peak_gmacs_per_s.fp32 is -200");
  const std::string open(1'000'000, '['), closed(1'000'000, ']');
  refused(open + closed, "is nested too deeply");
  refused(replaced(text, "\"version\": 1", "\"version\": " + open + closed), "is nested too deeply");
  refused(replaced(text, "\"calls\":12", "\"calls\":[]"), "cells[0].operations.calls is of a wrong type");
  for (const char* path : {"/nowhere/r.json", "/"}) {
    CHECK_THROWS_WITH(read_results(path), Contains(path) && Contains("cannot be read"));
  }
}

TEST_CASE("what no file of ours should hold is written and shown nevertheless") {
  auto results = sample();
  results.command = "retentive bench scaling --out caf\xe9";
  results.peak_gmacs_per_s["fp32"] = 0;
  results.cells[0].gmacs = 1e-310;
  const auto after = parse_results(results_json(results), "memory");
  CHECK_THAT(after.command, Contains("--out caf") && !Contains("\xe9"));
  CHECK_THAT(results_text(after), !Contains("inf"));
}

TEST_CASE("a row of a table stays a row") {
  const Table table{.header = {"model", ">why"}, .rows = {{"a|b", "one\ntwo\x1b"}}};
  CHECK(table.text() == "model       why\na|b    one two\n");
  CHECK(table.markdown() == "| model | why |\n| --- | ---: |\n| a\\|b | one two  |\n");
}

TEST_CASE("results without cells are refused") {
  CHECK_THROWS_WITH(parse_results(results_json(results_of({})), "r.json"), Contains("cells holds nothing"));
}

TEST_CASE("tables say the same on a terminal and as Markdown") {
  const auto results = sample();
  const auto text = results_text(results), markdown = results_markdown(results);
  for (const auto& shown : {text, markdown}) {
    CHECK_THAT(shown, Contains("chunkwise") && Contains("512") && Contains("predicted to take") && Contains("avx2") &&
                          Contains("0123456789"));
  }
  CHECK_THAT(markdown, Contains("| vir_s | chunkwise | fp32 | 512 | 1024 | 1 | 4.00 |"));
  CHECK_THAT(markdown, Contains("retentive bench scaling --models a,b"));
}

TEST_CASE("a single profiled cell is shown by operation") {
  auto results = sample();
  results.cells.pop_back();
  const auto text = results_text(results);
  CHECK_THAT(text, Contains("linear 64 -> 192") && Contains("between operations"));
}

TEST_CASE("parts of several models stand side by side") {
  auto results = sample();
  auto bf16 = results.cells[0];
  bf16.precision = "bf16";
  results.cells[0].operations = {{"stage neck", 1, 2.5, 0, 0}, {"stage head", 1, 7, 0, 0}};
  bf16.operations = {{"stage head", 1, 3, 0, 0}};
  results.cells.push_back(bf16);
  const auto markdown = results_markdown(results);
  CHECK_THAT(markdown, Contains("| model | stage | fp32 512 | bf16 512 |"));
  CHECK_THAT(markdown, Contains("| vir_s | neck | 2.50 | - |") && Contains("| vir_s | head | 7.00 | 3.00 |"));
}

TEST_CASE("peers stand beside what they are compared with") {
  const auto peer = [](const char* runtime, const char* model, double ms, const char* precision) {
    auto cell = image_cell(model, 512, ms, "", "sdpa");
    cell.runtime = runtime;
    cell.precision = precision;
    return cell;
  };
  auto slower_form = peer("openvino", "rmt_t", 12, "fp32");
  slower_form.form = "matmul";
  auto other_batch = peer("openvino", "rmt_t", 1, "fp32");
  other_batch.batch = 8;
  auto results =
      results_of({image_cell("rmt_t", 512, 4, "masa"), peer("openvino", "rmt_t", 10, "fp32"),
                  peer("openvino", "rmt_t", 6, "bf16"), peer("openvino", "convnext_t", 5, "bf16"),
                  image_cell("rmt_s", 512, 8, "masa"), peer("torch", "rmt_s", 40, "fp32"), other_batch, slower_form});
  results.machine.runtimes = {{"openvino", "2026.4.1"}};
  results = parse_results(results_json(results), "memory");
  CHECK(results.cells[1].runtime == "openvino");
  const auto ratios = peer_ratios(results);
  REQUIRE(ratios.size() == 5);  // rmt_t beside three, rmt_s beside two
  CHECK(ratios[0].ratio == Approx(2.5));
  CHECK(ratios[4].peer->runtime == "torch");
  const auto markdown = results_markdown(results);
  CHECK_THAT(markdown, Contains("| model | precision | size | batch | openvino fp32 | openvino bf16 | "
                                "openvino convnext_t bf16 | torch fp32 |"));
  CHECK_THAT(markdown, Contains("| rmt_t | fp32 | 512 | 1 | 2.50 | 1.50 | 1.25 | - |"));
  CHECK_THAT(markdown, Contains("| rmt_s | fp32 | 512 | 1 | - | - | 0.62 | 5.00 |"));
  CHECK_THAT(markdown, Contains("openvino 2026.4.1"));
  CHECK_THAT(results_csv(results), Contains("image,openvino,rmt_t"));
  CHECK_THAT(markdown, !Contains("attention"));
}

TEST_CASE("files without what came later are read") {
  auto text = results_json(sample());
  for (const std::string field :
       {"  \"runtimes\": {},\n", "\"runtime\":\"retentive\",", "\"runtime\":\"retentive\","}) {
    text = replaced(text, field, "");
  }
  const auto results = parse_results(text, "memory");
  CHECK(results.cells[0].runtime == "retentive");
  CHECK(results.machine.runtimes.empty());
}

TEST_CASE("CSV has a row for every cell, quoted where it must be") {
  const auto csv = results_csv(sample());
  CHECK_THAT(csv, Contains("image,retentive,vir_s,retention,chunkwise,fp32,512,512,1,1,1024,5,4,"));
  CHECK_THAT(csv, Contains("\"predicted to take \"\"long\"\", 900 s\"\r\n"));
  const auto columns = [](const std::string& line) { return std::count(line.begin(), line.end(), ','); };
  const auto first = csv.substr(0, csv.find("\r\n"));
  const auto rest = csv.substr(first.size() + 2);
  CHECK(columns(first) == columns(rest.substr(0, rest.find("\r\n"))));
}

}  // namespace
}  // namespace retentive::testing
