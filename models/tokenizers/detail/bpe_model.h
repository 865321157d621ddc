#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <models/tokenizers/detail/fields_json.h>

namespace retentive::models::detail {

/// Hashes std::string and std::string_view alike.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
};

/// Byte-pair encoding of one piece of text by vocabulary and ranked merges.
class BpeModel {
 public:
  /// Reads the object `model` of a tokenizer.json. Throws CheckpointError and Unsupported.
  BpeModel(const Json& json, const std::string& where);

  /// Appends the ids of `piece`. The best-ranked pair merges first, of equals the leftmost.
  void encode(const std::string& piece, std::vector<std::int64_t>& ids) const;

  std::optional<std::int64_t> id(std::string_view token) const;
  /// Null for an id without token.
  const std::string* token(std::int64_t id) const;
  /// Number of tokens.
  std::size_t size() const { return ids_.size(); }
  /// One more than the largest id.
  std::int64_t id_end() const { return id_end_; }

 private:
  struct Merge {
    std::uint32_t rank;
    std::uint32_t id;
  };
  struct Symbol;
  struct Candidate;

  void read_vocabulary(const Json& json, const std::string& where);
  void read_merges(const Json& json, const std::string& where);
  void add_merge(const std::string& left, const std::string& right, std::uint32_t rank, const std::string& where);
  const Merge* find_merge(std::uint32_t left, std::uint32_t right) const;
  std::vector<Symbol> symbols(std::string_view piece) const;
  bool append_bytes(std::string_view character, std::vector<Symbol>& symbols) const;
  void merge(std::vector<Symbol>& symbols) const;

  std::unordered_map<std::string, std::uint32_t, TextHash, std::equal_to<>> ids_;
  std::unordered_map<std::uint32_t, const std::string*> tokens_;
  std::unordered_map<std::uint64_t, Merge> merges_;
  std::optional<std::uint32_t> unknown_;
  std::vector<std::optional<std::uint32_t>> byte_ids_;  ///< of <0x00> to <0xFF>; empty without byte fallback
  bool fuse_unknown_ = false;
  bool ignore_merges_ = false;
  std::int64_t id_end_ = 0;

  mutable std::mutex cache_mutex_;
  mutable std::unordered_map<std::string, std::vector<std::int64_t>> cache_;
};

}  // namespace retentive::models::detail
