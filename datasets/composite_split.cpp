#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>
#include <tuple>

#include <datasets/detail/byte_reader.h>
#include <datasets/detail/composite_sources.h>
#include <datasets/random.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {

namespace {

constexpr std::array<int, 3> kHeldOutFirst = {2, 1, 0};

/// FNV-1a of 64 bits.
uint64_t hash(std::string_view bytes) {
  uint64_t value = 0xcbf29ce484222325;
  for (const char byte : bytes) value = (value ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
  return value;
}

uint64_t hash(const CompositeSource& source) {
  if (source.digits) {
    const Image image = source.digits->get(source.index).image;
    return hash({reinterpret_cast<const char*>(image.pixels.data()), image.pixels.size()});
  }
  uint64_t size = 0;
  std::ifstream file = open_regular_file(source.file, "composites", size);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  return hash(bytes);
}

[[noreturn]] void fail_few(const std::string& what, int64_t count, int64_t splits) {
  throw DataError("[composites] " + what + " has " + std::to_string(count) + " different images for " +
                  std::to_string(splits) + " splits; at least one for each is needed: add some, or ask for 0 images " +
                  "of a split");
}

}  // namespace

bool ByteIdentity::seen_before(const CompositeSource& source) {
  const uintmax_t size = source.digits ? 0 : std::filesystem::file_size(source.file);
  const bool first = !groups_.contains(size);
  Group& group = groups_[size];
  if (first) {
    group.unread = source;
    return false;
  }
  if (group.unread) group.hashes.insert(hash(*group.unread));
  group.unread.reset();
  return !group.hashes.insert(hash(source)).second;
}

void CompositeSources::drop_duplicates(Sources& sources) {
  std::erase_if(sources, [this](const CompositeSource& source) {
    const bool seen = identity_.seen_before(source);
    if (seen) duplicates_.push_back(source.name);
    return seen;
  });
}

CompositeSources::Split CompositeSources::checked(Split parts, const std::string& what) {
  for (const int split : kHeldOutFirst) drop_duplicates(parts[split]);
  for (int split = 0; split < 3; ++split) {
    if (!wanted(split) || !parts[split].empty()) continue;
    throw DataError("[composites] " + what + " has no image of its own for " + kCompositeSplits[split] +
                    "; add some there, or ask for 0 images of that split");
  }
  return parts;
}

CompositeSources::Split CompositeSources::split(Sources sources, uint64_t stream, const std::string& what) {
  drop_duplicates(sources);
  double total = 0;
  int64_t waiting = 0;
  for (int s = 0; s < 3; ++s) {
    if (wanted(s)) total += options_.shares[s], ++waiting;
  }
  const int64_t count = std::ssize(sources);
  if (count < waiting) fail_few(what, count, waiting);
  Rng rng(derive_seed(options_.seed, stream, ~uint64_t{0}));
  for (int64_t i = count - 1; i > 0; --i) std::swap(sources[i], sources[uniform_below(rng, i + 1)]);
  Split parts;
  for (const int s : kHeldOutFirst) {
    if (!wanted(s)) continue;
    --waiting;  // each takes its share, at least one, and leaves one to each that follows; the last takes the rest
    const int64_t most = std::ssize(sources) - waiting;
    const auto share = std::llround(options_.shares[s] / total * static_cast<double>(count));
    const int64_t taken = waiting == 0 ? most : std::clamp<int64_t>(share, 1, most);
    std::move(sources.end() - taken, sources.end(), std::back_inserter(parts[s]));
    sources.resize(sources.size() - taken);
    std::sort(parts[s].begin(), parts[s].end(), [](const CompositeSource& a, const CompositeSource& b) {
      return std::tie(a.file, a.index) < std::tie(b.file, b.index);
    });
  }
  return parts;
}

}  // namespace retentive::datasets::detail
