#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <bench/machine.h>
#include <retention/base/export.h>
#include <retention/base/form.h>
#include <retention/base/precision.h>

namespace retentive::bench {

/// In pixels.
struct ImageSize {
  int64_t height = 0, width = 0;
};

/// Forward passes, or training steps, of several models over several sizes, each cell in a fresh process of its own.
struct ScalingOptions {
  std::vector<std::string> models = {"rmt_t", "vir_s", "vit_s"};
  bool training = false;  ///< steps of training in place of forward passes
  std::vector<ImageSize> sizes = {{224, 224}, {384, 384}, {512, 512}, {768, 768}, {1024, 1024}};
  std::vector<int64_t> tokens = {512, 1024, 2048, 4096};  ///< lengths of sequences, for language models in training
  std::vector<Form> forms = {Form::auto_};                ///< of models that have several
  std::vector<Precision> precisions = {Precision::fp32};
  int64_t batch = 1;
  int threads = 0;  ///< 0 = all cores
  int warmup = 2;
  int repetitions = 20;
  double max_seconds = 120;  ///< of one cell, loading and warm-up included
  double max_gb = 0;         ///< resident memory of one cell; 0 = four fifths of the machine's
  bool profile = true;       ///< also time by operation
};

/// What a cell will take, foretold from the cells of its series that ran.
struct Forecast {
  double seconds = 0;  ///< of one pass
  double working_mb = 0;
};

/// Extends the last two cells that ran to the size of `next`, in pixels or else tokens, as a power law, at least a
/// linear one; a single cell linearly. Zeros for no cells.
RETENTIVE_API Forecast forecast(const std::vector<const Cell*>& series, const Cell& next);

/// Runs size by size, so that the models share the machine's conditions. A cell foretold to exceed a limit is skipped,
/// one that exceeds it is ended: both say why. Cells that `begun` holds are not measured again. `sink` receives the
/// results after every cell; `stop` ends between cells. `program` is this program. Throws ConfigError for models that
/// are none, or read text without `training`, InvalidArgument for empty lists, sizes below 1 and training in a
/// precision other than fp32.
RETENTIVE_API Results measure_scaling(const ScalingOptions& options, const std::string& program, Results begun,
                                      const std::function<void(const Results&, const Cell&)>& sink,
                                      const std::atomic<bool>& stop);

}  // namespace retentive::bench
