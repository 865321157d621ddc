#pragma once

#include <atomic>
#include <filesystem>
#include <string>

#include <models/tensor_io.h>
#include <models/training/trainer.h>
#include <training/synthetic.h>

namespace retentive::testing {

/// Tensors and counters that a run left, without its configuration, whose output folder differs between runs.
inline std::string trained_bits(const std::filesystem::path& output) {
  const auto file = models::read_tensors(output / "last.state.safetensors");
  std::string bits = file.metadata.at("retentive.run_counters");
  for (const auto& [name, tensor] : file.tensors) {
    bits += name;
    bits.append(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
  }
  return bits + file_bytes(output / "best.safetensors");
}

/// Begins a run, or goes on with it, and stops it after some steps.
inline models::TrainResult run_and_stop(const models::RunConfig& config, int64_t after_steps, bool resume = false) {
  models::Trainer trainer(config);
  if (resume) trainer.resume();
  std::atomic<bool> stop = false;
  models::TrainCallbacks callbacks;
  callbacks.step = [&, done = int64_t{0}](const models::StepReport&) mutable { stop = ++done == after_steps; };
  return trainer.run(callbacks, &stop);
}

}  // namespace retentive::testing
