#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <models/tokenizers/bpe_tokenizer.h>

namespace retentive::models {

struct BpeTrainingOptions {
  /// Tokens in the end: special ones, the 256 bytes, and merges. Fewer when no pair is frequent enough.
  std::int64_t vocab_size = 8192;
  /// Pairs that are rarer are never merged.
  std::int64_t min_frequency = 2;
  /// Get the first ids, in this order.
  std::vector<std::string> special_tokens = {"<|endoftext|>"};
  /// Which of them ends a text, and stands between two; empty leaves it to their names, see BpeTokenizer::eos_id().
  std::string end_of_text = {};
  /// Put a space in front of every text, so that its first word is spelt as any other.
  bool add_prefix_space = false;
};

/// Where training is: `stage` is "read" (bytes of text) or "merge" (tokens).
using BpeProgress = std::function<void(std::string_view stage, std::int64_t done, std::int64_t total)>;

/// Learns a byte-level BPE: text is split by the GPT-2 pattern, and the most frequent pair of tokens within words
/// merges until the vocabulary is full; of equally frequent pairs that with the smaller ids (left, then right). Same
/// texts and options, same tokenizer.
/// Throws InvalidArgument for options that cannot be, DataError for texts without a word.
RETENTIVE_API std::unique_ptr<BpeTokenizer> train_bpe(std::span<const std::string> texts,
                                                      const BpeTrainingOptions& options = {},
                                                      const BpeProgress& progress = {});

/// The same from files. Throws CheckpointError for a file that cannot be read.
RETENTIVE_API std::unique_ptr<BpeTokenizer> train_bpe_files(std::span<const std::filesystem::path> files,
                                                            const BpeTrainingOptions& options = {},
                                                            const BpeProgress& progress = {});

}  // namespace retentive::models
