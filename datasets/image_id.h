#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <utility>

namespace retentive::datasets {

/// The id of an image: a number, or a text that is not empty. Numbers stand before texts.
class ImageId {
 public:
  ImageId(int64_t number = 0) : number_(number) {}
  explicit ImageId(std::string text) : text_(std::move(text)) {}

  bool is_text() const { return !text_.empty(); }
  int64_t number() const { return number_; }
  const std::string& text() const { return text_; }
  /// 17 or "img_17", for messages.
  std::string shown() const { return is_text() ? "\"" + text_ + "\"" : std::to_string(number_); }

  friend bool operator==(const ImageId&, const ImageId&) = default;
  friend auto operator<=>(const ImageId&, const ImageId&) = default;

 private:
  std::string text_;
  int64_t number_ = 0;
};

}  // namespace retentive::datasets
