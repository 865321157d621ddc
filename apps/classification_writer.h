#pragma once

#include <ostream>

#include <models/pipelines/classifier.h>

namespace retentive::apps {

enum class RecordFormat { text, json, csv };

/// Writes classification results one record at a time.
class ClassificationWriter {
 public:
  /// Errors of single images go to `errors` in the text format, else into the records on `out`.
  ClassificationWriter(RecordFormat format, std::ostream& out, std::ostream& errors);

  /// A line per image as text (`path: label 99.1% | ...`) or JSON (`{"path", "top"}` or `{"path", "error"}`); as CSV
  /// a line per prediction, or one for the error.
  void write(const models::Classification& item);

 private:
  RecordFormat format_;
  std::ostream& out_;
  std::ostream& errors_;
};

}  // namespace retentive::apps
