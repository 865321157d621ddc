#include <limits>

#include <datasets/detail/rle_runs.h>
#include <datasets/rle.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace {

// A character holds five bits above '0', low ones first; the sixth says that more follow, the fifth of the last is the
// sign.
constexpr int kBits = 5;
constexpr int kFirst = '0';
constexpr int kMore = 0x20;
constexpr int kSign = 0x10;
constexpr int kMostGroups = 7;  // 35 bits hold every difference of two 32-bit counts
constexpr size_t kPlainCounts = 3;

void append_number(std::string& text, int64_t value) {
  bool more = true;
  while (more) {
    const int bits = static_cast<int>(value & 0x1f);
    value >>= kBits;
    more = value != ((bits & kSign) != 0 ? -1 : 0);
    text.push_back(static_cast<char>(kFirst + bits + (more ? kMore : 0)));
  }
}

[[noreturn]] void fail(size_t at, const std::string& what) {
  throw DataError("[rle] the compressed counts of a mask " + what + " at character " + std::to_string(at) +
                  "; write the mask again with pycocotools or rle_to_text");
}

int64_t read_number(std::string_view text, size_t& at) {
  int64_t value = 0;
  for (int group = 0;; ++group, ++at) {
    if (at == text.size()) fail(at, "are cut off");
    const int code = static_cast<unsigned char>(text[at]) - kFirst;
    if (code < 0 || code >= 2 * kMore) fail(at, "have a character that does not belong there");
    if (group == kMostGroups) fail(at, "have a number that is too long");
    value |= int64_t{code & 0x1f} << (kBits * group);
    if (code & kMore) continue;
    ++at;
    return (code & kSign) != 0 ? value - (int64_t{1} << (kBits * (group + 1))) : value;
  }
}

}  // namespace

std::string rle_to_text(const RleMask& mask) {
  std::string text;
  for (size_t i = 0; i < mask.counts.size(); ++i) {
    append_number(text, int64_t{mask.counts[i]} - (i >= kPlainCounts ? int64_t{mask.counts[i - 2]} : 0));
  }
  return text;
}

RleMask rle_from_text(std::string_view text, int64_t height, int64_t width) {
  detail::check_mask_size(height, width, "rle_from_text");
  RleMask mask{height, width, {}};
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const size_t i = mask.counts.size();
    const int64_t count = read_number(text, at) + (i >= kPlainCounts ? int64_t{mask.counts[i - 2]} : 0);
    if (count < 0 || count > height * width) fail(begin, "have a run of " + std::to_string(count) + " pixels");
    mask.counts.push_back(static_cast<uint32_t>(count));
  }
  check_rle(mask);
  return mask;
}

}  // namespace retentive::datasets
