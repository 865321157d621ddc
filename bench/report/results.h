#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <bench/report/machine.h>
#include <retention/base/export.h>

/// What measurements leave behind, and what is made of it: files, tables, charts, comparisons. Knows no Torch.
namespace retentive::bench {

/// One kind of operation within one run of a cell.
struct OperationCost {
  std::string name;  ///< "linear 64 -> 192"; begins with kStagePrefix for a part of a model, which contains operations
  int64_t calls = 0;
  double milliseconds = 0;
  double gmacs = 0;
  double gigabytes = 0;  ///< that it must read and write at least, in 1e9 bytes; 0 = not counted
};

/// One thing that was timed, or the reason why it was not.
struct Cell {
  std::string task = "image";  ///< "image" (a forward pass), "training" (a step), "prefill" (a prompt), "decode" (a
                               ///< step), "kernel", "process" (a program from its start to its end)
  std::string runtime = "retentive";  ///< what ran it; others are peers, such as "openvino"
  std::string model = {};             ///< registry name
  std::string mixer = {};             ///< "masa" | "retention" | "attention"
  std::string form = {};          ///< "parallel" | "chunkwise" | "recurrent" | "auto"; empty for models with one form
  std::string precision = {};     ///< "fp32" | "bf16" | "int8" | "int4"
  int64_t height = 0, width = 0;  ///< of images, in pixels; 0 for text
  int64_t batch = 1;
  int64_t instances = 1;  ///< models that ran at once, each on the threads of the results
  int64_t tokens = 0;     ///< of one image in the first stage, of one sequence, or the context of a step
  std::string skipped =
      {};  ///< why it was not run, such as "predicted to need 9.1 GB, --max-mem is 8"; empty if it was
  std::vector<double> times_ms = {};           ///< every repetition that counts
  double gmacs = 0;                            ///< of one run
  double read_gb = 0;                          ///< decode: what a step must move, in 1e9 bytes
  double state_mb = 0;                         ///< prefill and decode: retention state or cache of keys and values
  double peak_rss_mb = 0;                      ///< of the process that ran this cell alone, in MiB
  double loaded_rss_mb = 0;                    ///< of the same process before its first run: libraries, weights, input
  double deviation = 0;                        ///< from the plain model
  double pingpong_ns = 0;                      ///< state of the machine beside it, see pingpong_ns()
  std::vector<OperationCost> operations = {};  ///< of one run, longest first; empty unless profiled

  bool ran() const { return skipped.empty(); }
};

/// A results file: everything one command measured. `ceilings` are measured in the same run.
struct Results {
  std::string created;  ///< UTC, "2026-11-22T21:40:00Z"
  std::string commit;   ///< of the sources, with "+" behind it when they had changes; "unknown" outside a checkout
  std::string command;  ///< how to measure this again
  Machine machine;
  int64_t threads = 0;
  std::map<std::string, double> peak_gmacs_per_s;  ///< by precision: a product of 1024^3, packed
  double read_gb_per_s = 0;                        ///< bandwidth of memory in 1e9 bytes a second
  std::vector<Cell> cells;
};

/// Version of the file format; files of other versions are refused.
inline constexpr int kResultsSchema = 1;

/// One JSON document, indented.
RETENTIVE_API std::string results_json(const Results& results);
/// Throws DataError naming the file, what is wrong and the fix: no such file, no JSON, another schema, missing or
/// wrongly typed fields, no cells.
RETENTIVE_API Results read_results(const std::string& path);
/// As read_results(), from text; `where` stands for the path in messages.
RETENTIVE_API Results parse_results(const std::string& json, const std::string& where);

}  // namespace retentive::bench
