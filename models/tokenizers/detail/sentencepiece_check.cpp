#include <models/tokenizers/detail/sentencepiece_check.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include <models/formats/message.h>

namespace retentive::models::detail {
namespace {

class Check {
 public:
  explicit Check(const std::string& name) : name_(name) {}

  [[noreturn]] void fail(const std::string& what) const {
    formats::fail_checkpoint("tokenizer", name_, "is no usable SentencePiece model: " + what + "; get the file again");
  }

 private:
  const std::string& name_;
};

/// One field of a protocol buffer.
struct Field {
  std::uint64_t number = 0;
  unsigned type = 0;
  std::uint64_t value = 0;  ///< of type 0, or the bits of types 1 and 5
  std::string_view bytes;   ///< of type 2
};

/// Reads fields one after another.
class Wire {
 public:
  Wire(std::string_view data, const Check& check) : data_(data), check_(check) {}

  bool next(Field& field) {
    if (data_.empty()) return false;
    const std::uint64_t tag = number();
    field = {tag >> 3, static_cast<unsigned>(tag & 7), 0, {}};
    if (field.number == 0 || field.number > 0x1FFFFFFF)
      check_.fail("a field has the number " + std::to_string(tag >> 3));
    if (field.type == 0) {
      field.value = number();
    } else if (field.type == 2) {
      field.bytes = take(number());
    } else if (field.type == 1 || field.type == 5) {
      const std::string_view raw = take(field.type == 1 ? 8 : 4);
      std::memcpy(&field.value, raw.data(), raw.size());
    } else {
      check_.fail("a field has the wire type " + std::to_string(field.type));
    }
    return true;
  }

 private:
  std::string_view take(std::uint64_t size) {
    if (size > data_.size()) check_.fail("it ends inside a field");
    const std::string_view result = data_.substr(0, size);
    data_.remove_prefix(size);
    return result;
  }

  std::uint64_t number() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1).front());
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
    check_.fail("a number does not end");
  }

  std::string_view data_;
  const Check& check_;
};

/// The trie of a normaliser: units of a double array. From a node at p, the child for byte c is at p ^ offset(p) ^ c
/// if that unit's label is c; with a leaf, the value is in the unit at p ^ offset(p).
class Trie {
 public:
  Trie(std::string_view units, std::string_view values, const Check& check)
      : units_(units.size() / 4), values_(values), check_(check), prefixes_(units_.size(), kUnseen) {
    std::memcpy(units_.data(), units.data(), units_.size() * 4);
  }

  void walk() { visit(0, 0, false); }

 private:
  static constexpr int kUnseen = -1;

  // Most keys of one chain that end at or below the node. The library reserves 32 places for them.
  int visit(std::uint32_t position, int depth, bool labelled) {
    constexpr int kDeepest = 256, kMostPrefixes = 32;
    if (depth > kDeepest) check_.fail("the normaliser's trie is too deep");
    if (prefixes_[position] != kUnseen) return prefixes_[position];
    const std::uint32_t unit = units_[position];
    const std::uint32_t base = position ^ ((unit >> 10) << ((unit & 0x200) >> 6));
    if ((base | 0xFF) >= units_.size()) check_.fail("the normaliser's trie leads out of its data");
    const bool leaf = labelled && (unit >> 8 & 1) != 0;
    if (leaf && (units_[base] & 0x7FFFFFFF) >= values_.size()) check_.fail("the normaliser's trie has a wrong value");
    int longest = 0;
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t child = base ^ byte;
      if (child != position && (units_[child] & 0x800000FF) == byte && !(byte == 0 && leaf)) {
        longest = std::max(longest, visit(child, depth + 1, true));
      }
    }
    if (longest + leaf > kMostPrefixes) check_.fail("the normaliser's trie nests too many keys");
    return prefixes_[position] = longest + leaf;
  }

  std::vector<std::uint32_t> units_;
  std::string_view values_;
  const Check& check_;
  std::vector<int> prefixes_;
};

// Size of the trie as 4 bytes, the trie, and the texts it leads to, each ended by a zero byte.
void check_character_map(std::string_view map, const Check& check) {
  if (map.empty()) return;
  std::uint32_t size = 0;
  if (map.size() <= sizeof size) check.fail("the normaliser's character map is cut off");
  std::memcpy(&size, map.data(), sizeof size);
  map.remove_prefix(sizeof size);
  if (size == 0 || size % 4 != 0 || size >= map.size()) check.fail("the normaliser's trie has a wrong size");
  const std::string_view values = map.substr(size);
  if (values.back() != '\0') check.fail("the normaliser's last text does not end");
  Trie(map.substr(0, size), values, check).walk();
}

void check_normalizer(std::string_view data, const Check& check) {
  Wire wire(data, check);
  for (Field field; wire.next(field);) {
    if (field.number == 2 && field.type == 2) check_character_map(field.bytes, check);
  }
}

void check_piece(std::string_view data, std::size_t index, const Check& check) {
  Wire wire(data, check);
  std::string_view text;
  for (Field field; wire.next(field);) {
    if (field.number == 1 && field.type == 2) text = field.bytes;
    if (field.number != 2 || field.type != 5) continue;
    float score = 0;
    std::memcpy(&score, &field.value, sizeof score);
    if (!std::isfinite(score)) check.fail("piece " + std::to_string(index) + " has a score that is not finite");
  }
  if (text.empty() || text.find('\0') != text.npos) {
    check.fail("piece " + std::to_string(index) + " is " + formats::in_quotes(text));
  }
}

}  // namespace

void check_sentencepiece(std::string_view model, const std::string& name) {
  const Check check(name);
  Wire wire(model, check);
  std::size_t pieces = 0;
  for (Field field; wire.next(field);) {
    if (field.type != 2) continue;
    if (field.number == 1) check_piece(field.bytes, pieces++, check);
    if (field.number == 3 || field.number == 5) check_normalizer(field.bytes, check);
  }
  if (pieces == 0) check.fail("it has no pieces");
}

}  // namespace retentive::models::detail
