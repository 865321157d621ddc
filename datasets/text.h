#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <retention/base/export.h>

namespace retentive::datasets {

/// One text and the name of its file.
struct Document {
  std::string name;
  std::string text;
};

/// A text file, or every *.txt of a folder in the order of their names, subfolders aside.
/// Throws DataError when there is no such file, no text, or a file that cannot be read.
RETENTIVE_API std::vector<Document> read_documents(const std::filesystem::path& path);

/// Rows of tokens for one step of training, in which documents follow one another without padding.
struct TokenBatch {
  /// Target of a token that ends its document: it predicts nothing.
  static constexpr int64_t kNoTarget = -100;

  int64_t rows = 0;
  int64_t length = 0;
  std::vector<int64_t> tokens;   ///< [rows, length]
  std::vector<int64_t> targets;  ///< [rows, length]: the token that follows in the document
  std::vector<int64_t> ranges;   ///< [S, 2]: the parts of documents, as [begin, end) of the flattened tokens
};

struct PackingOptions {
  int64_t rows = 16;
  int64_t length = 512;
  uint64_t seed = 0;
};

/// Documents packed into rows of equal length. Every epoch strings them together in another order, begins at another
/// offset, cuts rows, and shuffles these; it depends on seed and epoch alone.
class RETENTIVE_API PackedDocuments {
 public:
  /// Throws InvalidArgument for options out of range, DataError when the tokens do not fill one batch.
  PackedDocuments(std::vector<std::vector<int64_t>> documents, const PackingOptions& options);

  /// Batches of an epoch; rows that do not fill another are left out.
  int64_t size() const { return rows_ / options_.rows; }
  /// Tokens of all documents.
  int64_t tokens() const { return tokens_; }
  const PackingOptions& options() const { return options_; }

  /// One epoch, ready to be cut.
  struct Epoch {
    std::vector<int64_t> order;  ///< of documents
    std::vector<int64_t> rows;   ///< their order
    int64_t offset = 0;
  };
  Epoch epoch(int64_t number) const;

  /// Batch 0 <= index < size() of an epoch.
  TokenBatch batch(const Epoch& epoch, int64_t index) const;

 private:
  void append_row(const Epoch& epoch, int64_t row, TokenBatch& batch) const;

  std::vector<std::vector<int64_t>> documents_;
  PackingOptions options_;
  int64_t tokens_ = 0;
  int64_t rows_ = 0;
};

}  // namespace retentive::datasets
