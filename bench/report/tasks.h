#pragma once

namespace retentive::bench {

/// A task of cells in words.
struct TaskWords {
  const char* task;     ///< Cell::task
  const char* heading;  ///< "Images"
  const char* unit;     ///< what one time is of: "one forward pass"
  const char* says;     ///< a sentence
};

/// In the order in which reports show them.
inline constexpr TaskWords kTasks[] = {
    {"image", "Images", "one forward pass", "One forward pass of a prepared model."},
    {"training", "Training", "one step", "One step: forward, backward and optimiser."},
    {"prefill", "Reading a prompt", "the whole prompt", "The whole prompt, before the first new token."},
    {"decode", "Decoding", "one step", "One new token for every sequence, after a context of so many tokens."},
    {"kernel", "Kernels", "one call", "One kernel alone."},
    {"process", "Whole programs", "one run", "A program from its start to its end."}};

}  // namespace retentive::bench
