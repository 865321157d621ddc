#include <models/tokenizers/stream_decoder.h>

#include <models/tokenizers/detail/utf8.h>

namespace retentive::models {
namespace {

// Ids that are decoded again with each new one; and how many of them stay when there are more.
constexpr std::size_t kWindow = 48;
constexpr std::size_t kContext = 16;

}  // namespace

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens)
    : tokenizer_(&tokenizer), skip_special_tokens_(skip_special_tokens) {}

std::string StreamDecoder::push(std::int64_t id) {
  ids_.push_back(id);
  std::string text;
  try {
    text = tokenizer_->decode(ids_, skip_special_tokens_);
  } catch (...) {
    ids_.pop_back();
    throw;
  }
  // A trailing U+FFFD may be the start of a character whose other bytes are still to come.
  std::size_t end = text.size();
  while (std::string_view(text).substr(0, end).ends_with(detail::kReplacement)) end -= detail::kReplacement.size();
  std::string piece = release(text, end);
  if (given_ == text.size()) forget();
  return piece;
}

std::string StreamDecoder::flush() {
  const std::string text = tokenizer_->decode(ids_, skip_special_tokens_);
  std::string piece = release(text, text.size());
  ids_.clear();
  given_ = 0;
  return piece;
}

std::string StreamDecoder::release(const std::string& text, std::size_t end) {
  while (given_ < end && (text[given_] & 0xC0) == 0x80) ++given_;
  if (given_ >= end) return {};
  std::string piece = text.substr(given_, end - given_);
  given_ = end;
  return piece;
}

// The first ids of a text may be decoded in their own way, so some that give text must stay in front.
void StreamDecoder::forget() {
  if (ids_.size() <= kWindow) return;
  const std::vector<std::int64_t> kept(ids_.end() - kContext, ids_.end());
  const std::string all = tokenizer_->decode(ids_, skip_special_tokens_);
  const std::string text = tokenizer_->decode(kept, skip_special_tokens_);
  if (text.empty() || text.starts_with(detail::kReplacement) || !all.ends_with(text)) return;
  ids_ = kept;
  given_ = text.size();
}

}  // namespace retentive::models
