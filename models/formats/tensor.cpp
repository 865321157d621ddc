#include <models/formats/tensor.h>

#include <array>
#include <cstdint>
#include <limits>

#include <retention/base/error.h>

namespace retentive::models::formats {
namespace {

struct DTypeRow {
  DType dtype;
  std::string_view name;
  std::size_t size;
};

constexpr std::array kDTypes{DTypeRow{DType::f64, "F64", 8}, DTypeRow{DType::f32, "F32", 4},
                             DTypeRow{DType::f16, "F16", 2}, DTypeRow{DType::bf16, "BF16", 2},
                             DTypeRow{DType::i64, "I64", 8}, DTypeRow{DType::i32, "I32", 4},
                             DTypeRow{DType::i16, "I16", 2}, DTypeRow{DType::i8, "I8", 1},
                             DTypeRow{DType::u8, "U8", 1},   DTypeRow{DType::boolean, "BOOL", 1}};

const DTypeRow& row(DType dtype) noexcept { return kDTypes[static_cast<std::size_t>(dtype)]; }

// Zero dimensions are left out of the overflow check's product, so that strides computed from any shape stay in range.
std::optional<std::int64_t> checked_numel(std::span<const std::int64_t> shape) noexcept {
  if (shape.size() > kMaxRank) return std::nullopt;
  std::int64_t product = 1;
  bool empty = false;
  for (const std::int64_t size : shape) {
    if (size < 0) return std::nullopt;
    if (size == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(product, size, &product)) {
      return std::nullopt;
    }
  }
  return empty ? 0 : product;
}

}  // namespace

std::size_t item_size(DType dtype) noexcept { return row(dtype).size; }

std::string_view dtype_name(DType dtype) noexcept { return row(dtype).name; }

std::optional<DType> parse_dtype(std::string_view name) noexcept {
  for (const DTypeRow& entry : kDTypes) {
    if (entry.name == name) return entry.dtype;
  }
  return std::nullopt;
}

std::int64_t numel(std::span<const std::int64_t> shape) {
  const auto count = checked_numel(shape);
  if (!count) {
    throw InvalidArgument("[numel] shape " + shape_text(shape) + " cannot be counted; a shape has at most " +
                          std::to_string(kMaxRank) + " dimensions, none negative, and fewer than 2^63 elements");
  }
  return *count;
}

std::optional<std::uint64_t> byte_size(DType dtype, std::span<const std::int64_t> shape) noexcept {
  const auto count = checked_numel(shape);
  std::int64_t bytes = 0;
  if (!count || __builtin_mul_overflow(*count, static_cast<std::int64_t>(item_size(dtype)), &bytes)) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(bytes);
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > kMaxRank) return text + ", ...]";
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

bool is_aligned(const TensorView& tensor) noexcept {
  return reinterpret_cast<std::uintptr_t>(tensor.bytes.data()) % item_size(tensor.dtype) == 0;
}

}  // namespace retentive::models::formats
