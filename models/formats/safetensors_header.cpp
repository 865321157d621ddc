#include <models/formats/safetensors_header.h>

#include <array>
#include <optional>
#include <unordered_set>
#include <utility>

#include <nlohmann/json.hpp>

#include <models/formats/message.h>

namespace retentive::models::formats {
namespace {

using Json = nlohmann::json;

constexpr std::array<ForeignType, 12> kForeignTypes = {{{"U16", 16},
                                                        {"U32", 32},
                                                        {"U64", 64},
                                                        {"C64", 64},
                                                        {"F8_E4M3", 8},
                                                        {"F8_E5M2", 8},
                                                        {"F8_E8M0", 8},
                                                        {"F8_E4M3FNUZ", 8},
                                                        {"F8_E5M2FNUZ", 8},
                                                        {"F6_E2M3", 6},
                                                        {"F6_E3M2", 6},
                                                        {"F4", 4}}};

ForeignType find_foreign(std::string_view name) {
  for (const ForeignType& type : kForeignTypes) {
    if (type.name == name) return type;
  }
  return {};
}

// Follows the parser event by event: a document tree would silently keep the last of duplicate keys.
class HeaderReader {
 public:
  HeaderReader(const std::string& file, SafetensorsHeader& header) : file_(file), header_(header) {}

  bool null() { return unexpected("null"); }
  bool boolean(bool value) { return unexpected(value ? "true" : "false"); }
  bool number_integer(std::int64_t value) { return unexpected("the negative number " + std::to_string(value)); }
  bool number_unsigned(std::uint64_t value);
  bool number_float(double, const std::string& text) { return unexpected("the number " + in_quotes(text)); }
  bool string(std::string& value);
  bool binary(Json::binary_t&) { return unexpected("binary data"); }
  bool start_object(std::size_t);
  bool end_object();
  bool start_array(std::size_t);
  bool end_array();
  bool key(std::string& name);
  bool parse_error(std::size_t position, const std::string& token, const nlohmann::detail::exception&) {
    fail("header is not valid UTF-8 JSON at byte " + std::to_string(position) + ", near " + in_quotes(token) +
         "; the file is damaged, get it again");
  }

 private:
  enum class Place { start, top, metadata, tensor, shape, offsets, end };

  [[noreturn]] void fail(const std::string& what) const { fail_checkpoint("safetensors", file_, what); }
  bool unexpected(const std::string& found) const;
  std::string place_text() const;
  bool has_dtype() const { return dtype_ || foreign_.bits > 0; }
  void tensor_key(const std::string& name);
  void finish_tensor();

  const std::string& file_;
  SafetensorsHeader& header_;
  Place place_ = Place::start;
  std::unordered_set<std::string> names_;
  std::string key_;
  HeaderTensor tensor_;
  std::optional<DType> dtype_;
  ForeignType foreign_;
  bool has_shape_ = false;
  bool has_offsets_ = false;
  std::vector<std::uint64_t> offsets_;
};

std::string HeaderReader::place_text() const {
  switch (place_) {
    case Place::start:
    case Place::end:
      return "the header; it must be one JSON object";
    case Place::top:
      return "entry " + in_quotes(key_) + "; every entry of the header is an object";
    case Place::metadata:
      return "__metadata__ entry " + in_quotes(key_) + "; its values must be strings";
    case Place::tensor:
      return in_quotes(key_) + " of tensor " + in_quotes(tensor_.name) +
             "; a tensor has dtype (string), shape (array) and data_offsets (array)";
    case Place::shape:
      return "shape of tensor " + in_quotes(tensor_.name) + "; dimensions are integers from 0 to 2^63-1";
    case Place::offsets:
      return "data_offsets of tensor " + in_quotes(tensor_.name) + "; it holds two integers from 0 to 2^64-1";
  }
  return "the header";
}

bool HeaderReader::unexpected(const std::string& found) const {
  fail(found + " is not allowed as " + place_text() + "; write the file again with a correct safetensors writer");
}

bool HeaderReader::number_unsigned(std::uint64_t value) {
  if (place_ == Place::shape && value <= static_cast<std::uint64_t>(INT64_MAX)) {
    if (tensor_.shape.size() == kMaxRank) {
      fail("tensor " + in_quotes(tensor_.name) + " has more than " + std::to_string(kMaxRank) +
           " dimensions; reshape it before saving");
    }
    tensor_.shape.push_back(static_cast<std::int64_t>(value));
    return true;
  }
  if (place_ == Place::offsets && offsets_.size() < 2) {
    offsets_.push_back(value);
    return true;
  }
  return unexpected("the number " + std::to_string(value));
}

bool HeaderReader::string(std::string& value) {
  if (place_ == Place::metadata) {
    header_.metadata[key_] = std::move(value);
    return true;
  }
  if (place_ != Place::tensor || key_ != "dtype") return unexpected("the string " + in_quotes(value));
  dtype_ = parse_dtype(value);
  foreign_ = dtype_ ? ForeignType{} : find_foreign(value);
  if (!has_dtype()) {
    fail("tensor " + in_quotes(tensor_.name) + " has dtype " + in_quotes(value) +
         "; accepted are F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL; convert the tensor to one of them");
  }
  return true;
}

bool HeaderReader::start_object(std::size_t) {
  if (place_ == Place::start) {
    place_ = Place::top;
    return true;
  }
  if (place_ != Place::top) return unexpected("an object");
  if (key_ == kMetadataKey) {
    place_ = Place::metadata;
    return true;
  }
  place_ = Place::tensor;
  tensor_ = {};
  tensor_.name = key_;
  dtype_.reset();
  foreign_ = {};
  has_shape_ = has_offsets_ = false;
  offsets_.clear();
  return true;
}

bool HeaderReader::end_object() {
  if (place_ == Place::tensor) finish_tensor();
  place_ = place_ == Place::top ? Place::end : Place::top;
  return true;
}

bool HeaderReader::start_array(std::size_t) {
  if (place_ != Place::tensor || key_ == "dtype") return unexpected("an array");
  place_ = key_ == "shape" ? Place::shape : Place::offsets;
  return true;
}

bool HeaderReader::end_array() {
  if (place_ == Place::offsets && offsets_.size() != 2) {
    fail("tensor " + in_quotes(tensor_.name) + " has " + std::to_string(offsets_.size()) +
         " data_offsets; two are needed, begin and end");
  }
  place_ = Place::tensor;
  return true;
}

bool HeaderReader::key(std::string& name) {
  key_ = std::move(name);
  if (place_ == Place::tensor) {
    tensor_key(key_);
  } else if (place_ == Place::metadata) {
    if (header_.metadata.count(key_) != 0) {
      fail("__metadata__ has the key " + in_quotes(key_) + " twice; keys must be unique, write the file again");
    }
  } else if (!names_.insert(key_).second) {
    fail("the header has the key " + in_quotes(key_) + " twice; tensor names must be unique, write the file again");
  }
  return true;
}

void HeaderReader::tensor_key(const std::string& name) {
  const bool known = name == "dtype" || name == "shape" || name == "data_offsets";
  if (!known) {
    fail("tensor " + in_quotes(tensor_.name) + " has the unknown field " + in_quotes(name) +
         "; accepted are dtype, shape, data_offsets");
  }
  const bool repeated = name == "dtype" ? has_dtype() : name == "shape" ? has_shape_ : has_offsets_;
  if (repeated)
    fail("tensor " + in_quotes(tensor_.name) + " has the field " + in_quotes(name) + " twice; write the file again");
  has_shape_ = has_shape_ || name == "shape";
  has_offsets_ = has_offsets_ || name == "data_offsets";
}

void HeaderReader::finish_tensor() {
  if (!has_dtype() || !has_shape_ || !has_offsets_) {
    const char* missing = !has_dtype() ? "dtype" : !has_shape_ ? "shape" : "data_offsets";
    fail("tensor " + in_quotes(tensor_.name) + " has no " + missing + "; write the file again");
  }
  tensor_.dtype = dtype_.value_or(DType::u8);
  tensor_.foreign = foreign_;
  tensor_.begin = offsets_[0];
  tensor_.end = offsets_[1];
  header_.tensors.push_back(std::move(tensor_));
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view text, const std::string& file) {
  SafetensorsHeader header;
  HeaderReader reader(file, header);
  Json::sax_parse(text.begin(), text.end(), &reader);
  return header;
}

}  // namespace retentive::models::formats
