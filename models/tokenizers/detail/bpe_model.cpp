#include <models/tokenizers/detail/bpe_model.h>

#include <algorithm>
#include <queue>

#include <models/formats/message.h>
#include <models/tokenizers/byte_tokenizer.h>
#include <models/tokenizers/detail/utf8.h>

namespace retentive::models::detail {
namespace {

constexpr std::size_t kLongestCached = 256;
constexpr std::size_t kMostCached = 1 << 16;
constexpr std::uint32_t kNone = 0xFFFFFFFF;

std::uint64_t pair_key(std::uint32_t left, std::uint32_t right) { return std::uint64_t{left} << 32 | right; }

}  // namespace

/// A token in the making; a list through indices, in which merged symbols drop out.
struct BpeModel::Symbol {
  std::uint32_t id;
  std::uint32_t previous = kNone;
  std::uint32_t next = kNone;
  bool alive = true;
};

/// A pair that could merge when it was seen.
struct BpeModel::Candidate {
  std::uint32_t rank;
  std::uint32_t position;
  std::uint32_t id;

  bool operator<(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : position > other.position;
  }
};

std::optional<std::int64_t> BpeModel::id(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? std::nullopt : std::optional<std::int64_t>(found->second);
}

const std::string* BpeModel::token(std::int64_t id) const {
  if (id < 0 || id >= id_end_) return nullptr;
  const auto found = tokens_.find(static_cast<std::uint32_t>(id));
  return found == tokens_.end() ? nullptr : found->second;
}

const BpeModel::Merge* BpeModel::find_merge(std::uint32_t left, std::uint32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

bool BpeModel::append_bytes(std::string_view character, std::vector<Symbol>& symbols) const {
  if (byte_ids_.empty()) return false;
  const auto id_of = [this](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };
  if (!std::all_of(character.begin(), character.end(), [&](char byte) { return id_of(byte).has_value(); }))
    return false;
  for (const char byte : character) symbols.push_back({*id_of(byte)});
  return true;
}

// A pending unknown token is written only before the next known one, also past byte tokens, as in the original.
std::vector<BpeModel::Symbol> BpeModel::symbols(std::string_view piece) const {
  std::vector<Symbol> result;
  result.reserve(piece.size());
  bool pending = false;
  for (std::size_t at = 0; at < piece.size();) {
    const std::size_t start = at;
    next_character(piece, at);
    const std::string_view character = piece.substr(start, at - start);
    if (const auto found = ids_.find(character); found != ids_.end()) {
      if (pending) result.push_back({*unknown_});
      pending = false;
      result.push_back({found->second});
    } else if (!append_bytes(character, result) && unknown_) {
      if (pending && !fuse_unknown_) result.push_back({*unknown_});
      pending = true;
    }
  }
  if (pending) result.push_back({*unknown_});
  for (std::uint32_t i = 0; i < result.size(); ++i) {
    if (i > 0) result[i].previous = i - 1;
    if (i + 1 < result.size()) result[i].next = i + 1;
  }
  return result;
}

void BpeModel::merge(std::vector<Symbol>& symbols) const {
  std::priority_queue<Candidate> queue;
  const auto consider = [&](std::uint32_t left) {
    const std::uint32_t right = left == kNone ? kNone : symbols[left].next;
    if (right == kNone) return;
    if (const Merge* found = find_merge(symbols[left].id, symbols[right].id))
      queue.push({found->rank, left, found->id});
  };
  for (std::uint32_t i = 0; i < symbols.size(); ++i) consider(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols[best.position];
    if (!left.alive || left.next == kNone) continue;
    Symbol& right = symbols[left.next];
    const Merge* found = find_merge(left.id, right.id);
    if (found == nullptr || found->id != best.id) continue;  // the pair has changed since
    left.id = best.id;
    right.alive = false;
    left.next = right.next;
    if (left.next != kNone) symbols[left.next].previous = best.position;
    consider(left.previous);
    consider(best.position);
  }
}

void BpeModel::encode(const std::string& piece, std::vector<std::int64_t>& ids) const {
  if (ignore_merges_) {
    if (const auto whole = id(piece)) return ids.push_back(*whole);
  }
  {
    const std::lock_guard lock(cache_mutex_);
    if (const auto hit = cache_.find(piece); hit != cache_.end()) {
      ids.insert(ids.end(), hit->second.begin(), hit->second.end());
      return;
    }
  }
  std::vector<Symbol> found = symbols(piece);
  merge(found);
  std::vector<std::int64_t> result;
  for (const Symbol& symbol : found) {
    if (symbol.alive) result.push_back(symbol.id);
  }
  ids.insert(ids.end(), result.begin(), result.end());
  if (piece.size() > kLongestCached) return;
  const std::lock_guard lock(cache_mutex_);
  if (cache_.size() < kMostCached) cache_.emplace(piece, std::move(result));
}

}  // namespace retentive::models::detail
