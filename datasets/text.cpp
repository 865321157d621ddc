#include <datasets/text.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <numeric>
#include <utility>

#include <datasets/image_listing.h>
#include <datasets/random.h>
#include <retention/base/error.h>

namespace retentive::datasets {
namespace {

namespace fs = std::filesystem;

// Keeps the draws of packing apart from those of other users of the same seed.
constexpr uint64_t kPackingStream = 0x7e87;

[[noreturn]] void refuse(const fs::path& path, const std::string& what) {
  throw DataError("[text] \"" + path.string() + "\" " + what +
                  "; a text file, or a folder with *.txt files, is accepted; check the path");
}

Document read_document(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) refuse(path, "cannot be read");
  Document document{path.filename().string(), {std::istreambuf_iterator<char>(file), {}}};
  if (file.bad()) refuse(path, "cannot be read");
  return document;
}

std::vector<int64_t> shuffled(int64_t count, Rng& rng) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = count - 1; i > 0; --i) {
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(uniform_below(rng, i + 1))]);
  }
  return order;
}

}  // namespace

std::vector<Document> read_documents(const fs::path& path) {
  std::error_code failure;
  if (!fs::is_directory(path, failure)) {
    if (!fs::is_regular_file(path, failure)) refuse(path, "is no file or folder");
    return {read_document(path)};
  }
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path, failure)) {
    if (entry.is_regular_file() && entry.path().extension() == ".txt" && !is_rubbish(entry.path()))
      files.push_back(entry.path());
  }
  if (failure) refuse(path, "cannot be read (" + failure.message() + ")");
  if (files.empty()) refuse(path, "has no *.txt file");
  std::sort(files.begin(), files.end());
  std::vector<Document> documents;
  for (const auto& file : files) documents.push_back(read_document(file));
  return documents;
}

PackedDocuments::PackedDocuments(std::vector<std::vector<int64_t>> documents, const PackingOptions& options)
    : documents_(std::move(documents)), options_(options) {
  if (options.rows < 1 || options.length < 2) {
    throw InvalidArgument("[text] rows is " + std::to_string(options.rows) + " and length " +
                          std::to_string(options.length) + "; at least 1 row of 2 tokens is accepted");
  }
  for (const auto& document : documents_) tokens_ += static_cast<int64_t>(document.size());
  // As many as fit behind every offset below `length`, so that epochs are equally long.
  rows_ = std::max<int64_t>((tokens_ - options.length + 1) / options.length, tokens_ >= options.length ? 1 : 0);
  if (size() == 0) {
    throw DataError("[text] " + std::to_string(tokens_) + " tokens of " + std::to_string(documents_.size()) +
                    " texts do not fill a batch of " + std::to_string(options.rows) + " rows of " +
                    std::to_string(options.length) + "; give more text, or a smaller batch or length");
  }
}

PackedDocuments::Epoch PackedDocuments::epoch(int64_t number) const {
  Rng rng(derive_seed(options_.seed, kPackingStream, static_cast<uint64_t>(number)));
  Epoch epoch;
  epoch.order = shuffled(static_cast<int64_t>(documents_.size()), rng);
  epoch.rows = shuffled(rows_, rng);
  epoch.offset = uniform_below(rng, std::min(options_.length, tokens_ - rows_ * options_.length + 1));
  return epoch;
}

TokenBatch PackedDocuments::batch(const Epoch& epoch, int64_t index) const {
  TokenBatch batch;
  batch.rows = options_.rows;
  batch.length = options_.length;
  for (int64_t r = 0; r < options_.rows; ++r) {
    append_row(epoch, epoch.rows[static_cast<size_t>(index * options_.rows + r)], batch);
  }
  return batch;
}

void PackedDocuments::append_row(const Epoch& epoch, int64_t row, TokenBatch& batch) const {
  int64_t begin = epoch.offset + row * options_.length;
  int64_t missing = options_.length;
  for (const auto d : epoch.order) {
    const auto& document = documents_[static_cast<size_t>(d)];
    const auto size = static_cast<int64_t>(document.size());
    if (begin >= size) {
      begin -= size;
      continue;
    }
    const int64_t end = std::min(size, begin + missing);
    const auto first = static_cast<int64_t>(batch.tokens.size());
    batch.ranges.insert(batch.ranges.end(), {first, first + end - begin});
    batch.tokens.insert(batch.tokens.end(), document.begin() + begin, document.begin() + end);
    batch.targets.insert(batch.targets.end(), document.begin() + begin + 1, document.begin() + std::min(size, end + 1));
    if (end == size) batch.targets.push_back(TokenBatch::kNoTarget);
    missing -= end - begin;
    begin = 0;
    if (missing == 0) return;
  }
}

}  // namespace retentive::datasets
