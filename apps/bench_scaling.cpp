#include <apps/bench_scaling.h>

#include <filesystem>
#include <iostream>
#include <memory>

#include <apps/image_size.h>
#include <apps/interrupt.h>
#include <apps/own_page.h>
#include <bench/child.h>
#include <bench/report/analysis.h>
#include <bench/report/format.h>
#include <bench/report/html.h>
#include <bench/report/statistics.h>
#include <bench/report/tables.h>
#include <bench/scaling.h>
#include <retention/base/error.h>
#include <retention/base/output_file.h>
#include <retention/base/run_files.h>

namespace retentive::apps {
namespace {

constexpr const char* kResultsFile = "results.json";

struct ScalingFlags {
  bench::ScalingOptions options;
  std::string out;
  bool resume = false;
  bool json = false;
};

struct ReportFlags {
  std::vector<std::string> files;
  std::string out;
  bool markdown = false;
};

constexpr const char* kWhere = "bench";

/// A file that reports() makes, and a text that all of its kind hold.
struct Page {
  const char* name;
  const char* mark;
};
constexpr Page kMarkdown = {"results.md", "), LibTorch "};
constexpr Page kTable = {"results.csv", "task,runtime,model,"};
constexpr Page kReport = {"report.html", "<title>retentive: "};

/// Before the work: everything can be written to the folder, and replaces neither an input nor somebody else's page.
void check_out(const std::filesystem::path& folder, const std::vector<std::string>& inputs,
               std::vector<std::string> names = {}) {
  for (const auto& page : {kMarkdown, kTable, kReport}) check_own_page(folder / page.name, page.mark, kWhere);
  names.insert(names.end(), {kMarkdown.name, kTable.name, kReport.name});
  RunFiles(kWhere).read_all(inputs).write_below("--out", folder, names).check();
  make_output_folder(folder, kWhere);
}

void write_file(const std::filesystem::path& path, const std::string& text) { write_output(path, kWhere, text); }

void write_reports(const std::filesystem::path& folder, const std::vector<bench::Results>& results) {
  std::string markdown, csv;
  for (const auto& part : results) {
    markdown += bench::results_markdown(part);
    const auto rows = bench::results_csv(part);
    csv += csv.empty() ? rows : rows.substr(rows.find('\n') + 1);  // one header
  }
  write_file(folder / kMarkdown.name, markdown);
  write_file(folder / kTable.name, csv);
  write_file(folder / kReport.name, bench::report_html(results));
}

std::string line_of(const bench::Cell& cell) {
  auto text = cell.model + (cell.form.empty() ? "" : " " + cell.form) + " " + cell.precision + " " +
              bench::place_of(cell) + ": ";
  if (!cell.ran()) return text + cell.skipped;
  return text + bench::format("%.1f ms, %.0f MB", bench::percentile(cell.times_ms, 0.5), cell.peak_rss_mb);
}

bench::Results begun(const ScalingFlags& flags) {
  if (flags.out.empty()) return {};
  const auto file = std::filesystem::path(flags.out) / kResultsFile;
  if (!std::filesystem::exists(file)) return {};
  if (flags.resume) return bench::read_results(file.string());
  throw StateError("[bench] " + file.string() +
                   " is there already; --resume measures what it lacks, another --out "
                   "begins anew");
}

int scaling(const ScalingFlags& flags) {
  const InterruptScope interrupt;
  auto before = begun(flags);
  if (!flags.out.empty()) check_out(flags.out, {}, {kResultsFile});
  const auto keep = [&](const bench::Results& results) {
    if (!flags.out.empty()) write_file(std::filesystem::path(flags.out) / kResultsFile, bench::results_json(results));
  };
  const auto sink = [&](const bench::Results& results, const bench::Cell& cell) {
    std::cerr << line_of(cell) << std::endl;
    keep(results);
  };
  const auto results =
      bench::measure_scaling(flags.options, bench::own_program(), std::move(before), sink, interrupt.requested());
  keep(results);
  if (!flags.out.empty()) write_reports(flags.out, {results});
  std::cout << (flags.json ? bench::results_json(results) + "\n" : bench::results_text(results));
  if (!flags.out.empty())
    std::cerr << "written: " << flags.out << "/{results.json,results.csv,results.md,report.html}\n";
  return kSuccess;
}

int report(const ReportFlags& flags) {
  if (!flags.out.empty()) check_out(flags.out, flags.files);
  std::vector<bench::Results> results;
  for (const auto& file : flags.files) results.push_back(bench::read_results(file));
  if (flags.out.empty()) {
    for (const auto& part : results) {
      std::cout << (flags.markdown ? bench::results_markdown(part) : bench::results_text(part));
    }
    return kSuccess;
  }
  write_reports(flags.out, results);
  return kSuccess;
}

}  // namespace

Action set_up_bench_scaling(CLI::App& app) {
  auto flags = std::make_shared<ScalingFlags>();
  auto& options = flags->options;
  app.add_option("--models", options.models, "registered models, with commas; rmt_t,vir_s,vit_s by default")
      ->delimiter(',');
  const auto set_sizes = [&options](const std::vector<std::string>& texts) {
    options.sizes.clear();
    for (const auto& text : texts) options.sizes.push_back(parse_image_size(text, "--sizes"));
  };
  app.add_option_function<std::vector<std::string>>(
         "--sizes", set_sizes, "image sides, or HEIGHTxWIDTH, with commas; 224,384,512,768,1024 by default")
      ->delimiter(',');
  app.add_flag("--training", options.training, "time training steps, of language models too, in place of passes");
  app.add_option("--tokens", options.tokens,
                 "lengths of sequences for language models, with commas; 512,1024,2048,4096 by default")
      ->delimiter(',')
      ->needs("--training");
  add_enum_list(app, "--forms", options.forms, "forms of the models that have several; auto by default");
  add_enum_list(app, "--precision", options.precisions, "number types of the network; fp32 by default");
  app.add_option("--batch", options.batch, "images at once; 1")->check(CLI::Range(1, 4096));
  app.add_option("--threads", options.threads, "threads; default: all cores")->check(CLI::Range(1, 1024));
  app.add_option("--warmup", options.warmup, "passes before the first that counts; 2")->check(CLI::Range(0, 10'000));
  app.add_option("--reps", options.repetitions,
                 "passes that count; 20, fewer (at least 3) within a quarter of --max-time")
      ->check(CLI::Range(3, 1'000'000));
  app.add_option("--max-time", options.max_seconds, "seconds a cell may take; 120")->check(CLI::Range(1.0, 1e6));
  app.add_option("--max-mem", options.max_gb, "GB a cell may take; default: four fifths of the machine's")
      ->check(CLI::Range(0.1, 1e6));
  app.add_flag("!--no-profile", options.profile, "leave the time by operation away");
  app.add_option("--out", flags->out, "folder for results.json, results.csv, results.md and report.html");
  app.add_flag("--resume", flags->resume, "go on with --out: measure what its results.json lacks");
  app.add_flag("--json", flags->json, "the results as JSON on stdout, in place of tables");
  app.footer(
      "Every cell (model, form, precision, size) runs in a fresh process, size by size; cells that would exceed\n"
      "--max-time or --max-mem are named and left out. Then: exponents of time and memory against tokens with their\n"
      "95 % intervals, sizes where one model overtakes another, speed-ups over attention.\n\n"
      "  retentive bench scaling --models rmt_t,vir_s,vit_s --sizes 224,512,1024 --precision fp32,bf16 --out report/\n"
      "  retentive bench scaling --models vir_s --forms parallel,chunkwise,recurrent,auto --out forms/\n"
      "  retentive bench scaling --training --models retnet_nano,transformer_nano --tokens 512,2048,8192 --batch 1");
  return [flags] { return scaling(*flags); };
}

Action set_up_bench_report(CLI::App& app) {
  auto flags = std::make_shared<ReportFlags>();
  app.add_option("files", flags->files, "results of bench scaling, or of latency, language, training with --json")
      ->required();
  app.add_option("--out", flags->out, "folder for results.csv, results.md and report.html; default: tables on stdout");
  app.add_flag("--markdown", flags->markdown, "tables on stdout as Markdown")->excludes("--out");
  return [flags] { return report(*flags); };
}

}  // namespace retentive::apps
