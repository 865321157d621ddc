#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <queue>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <models/tokenizers/detail/word_counter.h>

namespace retentive::models::detail {

/// Learns the merges of a byte-level BPE: the most frequent pair of tokens within words first, of equally frequent
/// pairs that with the smaller ids.
class BpeTrainer {
 public:
  using Merges = std::vector<std::pair<std::string, std::string>>;

  /// The vocabulary starts with the special tokens, then the 256 bytes in the order of their characters.
  BpeTrainer(const WordCounts& counts, std::vector<std::string> special_tokens);

  /// Merges until there are `vocab_size` tokens or no pair occurs `min_frequency` times; calls `progress(tokens)`
  /// now and then.
  void run(std::size_t vocab_size, std::int64_t min_frequency, const std::function<void(std::size_t)>& progress);

  /// By id.
  const std::vector<std::string>& tokens() const { return tokens_; }
  const Merges& merges() const { return merges_; }

 private:
  using Pair = std::pair<std::uint32_t, std::uint32_t>;
  struct PairHash {
    std::size_t operator()(const Pair& pair) const {
      return std::hash<std::uint64_t>{}(std::uint64_t{pair.first} << 32 | pair.second);
    }
  };
  struct Word {
    std::vector<std::uint32_t> tokens;
    std::int64_t count;
  };
  struct Occurrences {
    std::int64_t count = 0;
    std::vector<std::uint32_t> words;  ///< may hold a word twice, or one that lost the pair
  };
  struct Candidate {
    std::int64_t count;
    Pair pair;
    bool operator<(const Candidate& other) const {
      return count != other.count ? count < other.count : pair > other.pair;
    }
  };
  using Changes = std::map<Pair, std::int64_t>;

  void add_words(const WordCounts& counts);
  void count(const Pair& pair, std::int64_t change, std::uint32_t word);
  void merge(const Pair& pair);
  void merge_in(std::uint32_t index, const Pair& pair, std::uint32_t id, Changes& changes);

  std::vector<std::string> tokens_;
  std::unordered_map<std::string, std::uint32_t> ids_;
  std::array<std::uint32_t, 256> byte_ids_{};
  std::vector<Word> words_;
  std::unordered_map<Pair, Occurrences, PairHash> pairs_;
  std::priority_queue<Candidate> queue_;  ///< holds outdated counts too
  Merges merges_;
};

}  // namespace retentive::models::detail
