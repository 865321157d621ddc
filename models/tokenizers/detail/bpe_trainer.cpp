#include <models/tokenizers/detail/bpe_trainer.h>

#include <algorithm>

#include <models/tokenizers/detail/byte_level.h>

namespace retentive::models::detail {

BpeTrainer::BpeTrainer(const WordCounts& counts, std::vector<std::string> special_tokens)
    : tokens_(std::move(special_tokens)) {
  std::vector<std::pair<std::string, unsigned>> alphabet;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    alphabet.emplace_back(bytes_to_characters({&c, 1}), byte);
  }
  std::sort(alphabet.begin(), alphabet.end());
  for (const auto& [character, byte] : alphabet) {
    byte_ids_[byte] = static_cast<std::uint32_t>(tokens_.size());
    tokens_.push_back(character);
  }
  for (std::size_t id = 0; id < tokens_.size(); ++id) ids_.emplace(tokens_[id], static_cast<std::uint32_t>(id));
  add_words(counts);
}

void BpeTrainer::run(std::size_t vocab_size, std::int64_t min_frequency,
                     const std::function<void(std::size_t)>& progress) {
  constexpr std::size_t kReportEvery = 64;
  while (tokens_.size() < vocab_size && !queue_.empty()) {
    const Candidate best = queue_.top();
    queue_.pop();
    const auto found = pairs_.find(best.pair);
    if (found == pairs_.end() || found->second.count != best.count) continue;
    if (best.count < min_frequency) break;
    merge(best.pair);
    if (progress && merges_.size() % kReportEvery == 0) progress(tokens_.size());
  }
  if (progress) progress(tokens_.size());
}

void BpeTrainer::add_words(const WordCounts& counts) {
  for (const auto& [text, occurrences] : counts) {
    Word word{{}, occurrences};
    for (const char byte : text) word.tokens.push_back(byte_ids_[static_cast<unsigned char>(byte)]);
    for (std::size_t i = 0; i + 1 < word.tokens.size(); ++i) {
      count({word.tokens[i], word.tokens[i + 1]}, occurrences, static_cast<std::uint32_t>(words_.size()));
    }
    words_.push_back(std::move(word));
  }
  for (const auto& [pair, occurrences] : pairs_) queue_.push({occurrences.count, pair});
}

void BpeTrainer::count(const Pair& pair, std::int64_t change, std::uint32_t word) {
  Occurrences& occurrences = pairs_[pair];
  occurrences.count += change;
  if (change > 0 && (occurrences.words.empty() || occurrences.words.back() != word)) occurrences.words.push_back(word);
}

void BpeTrainer::merge(const Pair& pair) {
  const std::string token = tokens_[pair.first] + tokens_[pair.second];
  const auto [entry, is_new] = ids_.emplace(token, static_cast<std::uint32_t>(tokens_.size()));
  if (is_new) tokens_.push_back(token);
  merges_.emplace_back(tokens_[pair.first], tokens_[pair.second]);
  const std::vector<std::uint32_t> words = std::move(pairs_[pair].words);
  Changes changes;
  for (const std::uint32_t word : words) merge_in(word, pair, entry->second, changes);
  for (const auto& [other, change] : changes) {
    const auto found = pairs_.find(other);
    if (found->second.count <= 0) {
      pairs_.erase(found);
    } else if (change != 0) {
      queue_.push({found->second.count, other});
    }
  }
}

// Counts the word's pairs off, merges, and counts the new ones.
void BpeTrainer::merge_in(std::uint32_t index, const Pair& pair, std::uint32_t id, Changes& changes) {
  Word& word = words_[index];
  std::vector<std::uint32_t> merged;
  for (std::size_t i = 0; i < word.tokens.size(); ++i) {
    const bool here = i + 1 < word.tokens.size() && Pair(word.tokens[i], word.tokens[i + 1]) == pair;
    merged.push_back(here ? id : word.tokens[i]);
    i += here ? 1 : 0;
  }
  if (merged.size() == word.tokens.size()) return;
  const auto recount = [&](const std::vector<std::uint32_t>& tokens, std::int64_t change) {
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
      const Pair other(tokens[i], tokens[i + 1]);
      count(other, change, index);
      changes[other] += change;
    }
  };
  recount(word.tokens, -word.count);
  recount(merged, word.count);
  word.tokens = std::move(merged);
}

}  // namespace retentive::models::detail
