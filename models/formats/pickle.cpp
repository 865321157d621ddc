#include <models/formats/pickle.h>

#include <algorithm>
#include <array>
#include <utility>

#include <retention/base/error.h>

namespace retentive::models::formats {
namespace {

constexpr std::array<std::string_view, 11> kKindNames{"none", "bool",  "int",  "float",  "str",           "bytes",
                                                      "list", "tuple", "dict", "tensor", "skipped object"};

[[noreturn]] void fail_kind(PickleValue::Kind wanted, PickleValue::Kind actual) {
  throw InvalidArgument("[pickle] the value is of kind " + std::string(kind_name(actual)) + ", not " +
                        std::string(kind_name(wanted)) + "; ask kind() first");
}

}  // namespace

std::string_view kind_name(PickleValue::Kind kind) noexcept { return kKindNames[static_cast<std::size_t>(kind)]; }

PickleValue::PickleValue() = default;
PickleValue::PickleValue(bool value) : content_(value) {}
PickleValue::PickleValue(std::int64_t value) : content_(value) {}
PickleValue::PickleValue(double value) : content_(value) {}
PickleValue::PickleValue(std::string value) : content_(std::move(value)) {}
PickleValue::PickleValue(Bytes value) : content_(std::move(value)) {}
PickleValue::PickleValue(PickleTensor value) : content_(std::move(value)) {}
PickleValue::PickleValue(SkippedObject value) : content_(std::move(value)) {}
PickleValue::PickleValue(Dict value) : content_(std::move(value)) {}
PickleValue::~PickleValue() = default;
PickleValue::PickleValue(const PickleValue&) = default;
PickleValue::PickleValue(PickleValue&&) noexcept = default;
PickleValue& PickleValue::operator=(const PickleValue&) = default;
PickleValue& PickleValue::operator=(PickleValue&&) noexcept = default;

PickleValue PickleValue::list(Items items) {
  PickleValue value;
  value.content_ = List{std::move(items)};
  return value;
}

PickleValue PickleValue::tuple(Items items) {
  PickleValue value;
  value.content_ = Tuple{std::move(items)};
  return value;
}

PickleValue::Kind PickleValue::kind() const noexcept { return static_cast<Kind>(content_.index()); }

template <typename T>
const T& PickleValue::get(Kind wanted) const {
  const T* content = std::get_if<T>(&content_);
  if (content == nullptr) fail_kind(wanted, kind());
  return *content;
}

bool PickleValue::as_bool() const { return get<bool>(Kind::boolean); }
std::int64_t PickleValue::as_int() const { return get<std::int64_t>(Kind::integer); }
double PickleValue::as_double() const {
  return is(Kind::integer) ? static_cast<double>(as_int()) : get<double>(Kind::real);
}
const std::string& PickleValue::as_string() const { return get<std::string>(Kind::string); }
const PickleValue::Bytes& PickleValue::as_bytes() const { return get<Bytes>(Kind::bytes); }
const PickleValue::Items& PickleValue::items() const {
  return is(Kind::tuple) ? get<Tuple>(Kind::tuple).items : get<List>(Kind::list).items;
}
const PickleValue::Dict& PickleValue::entries() const { return get<Dict>(Kind::dict); }
const PickleTensor& PickleValue::as_tensor() const { return get<PickleTensor>(Kind::tensor); }
const SkippedObject& PickleValue::as_skipped() const { return get<SkippedObject>(Kind::skipped); }

const PickleValue* PickleValue::find(std::string_view key) const noexcept {
  if (!is(Kind::dict)) return nullptr;
  const Dict& dict = *std::get_if<Dict>(&content_);
  const auto found = std::find_if(dict.begin(), dict.end(), [key](const PickleEntry& entry) {
    return entry.key.is(Kind::string) && *std::get_if<std::string>(&entry.key.content_) == key;
  });
  return found == dict.end() ? nullptr : &found->value;
}

}  // namespace retentive::models::formats
