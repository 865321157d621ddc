#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <retention/base/export.h>

namespace retentive::models::formats {

/// Element types that weights files of this project hold.
enum class DType { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean };

/// Most dimensions a tensor in a file may have.
inline constexpr std::size_t kMaxRank = 64;

/// Bytes of one element.
RETENTIVE_API std::size_t item_size(DType dtype) noexcept;

/// The safetensors name: `F64`, `F32`, `F16`, `BF16`, `I64`, `I32`, `I16`, `I8`, `U8` or `BOOL`.
RETENTIVE_API std::string_view dtype_name(DType dtype) noexcept;

/// Inverse of dtype_name(); empty for any other text (names are case-sensitive).
RETENTIVE_API std::optional<DType> parse_dtype(std::string_view name) noexcept;

/// Elements of a tensor of this shape; 1 for a scalar (`[]`).
/// Throws InvalidArgument for a negative dimension, more than kMaxRank dimensions, or a product of the non-zero
/// dimensions above the int64 range.
RETENTIVE_API std::int64_t numel(std::span<const std::int64_t> shape);

/// Bytes of a tensor of this type and shape; empty where numel() would throw or the byte count leaves the int64 range.
RETENTIVE_API std::optional<std::uint64_t> byte_size(DType dtype, std::span<const std::int64_t> shape) noexcept;

/// `[2, 3]`, for messages.
RETENTIVE_API std::string shape_text(std::span<const std::int64_t> shape);

/// A named tensor in memory that something else owns: contiguous, row-major, little-endian.
/// The bytes may start at any address: copy with memcpy unless is_aligned() holds.
struct TensorView {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

/// A tensor that a file holds in a kind that is not read: complex, float8, uint16, meta, ...
struct SkippedTensor {
  std::string name;
  std::string type;  ///< as the file calls it, with its shape where it is known: `C64 [2, 3]`
};

/// Whether the bytes start at a multiple of the element size, so that a typed pointer may be used.
RETENTIVE_API bool is_aligned(const TensorView& tensor) noexcept;

}  // namespace retentive::models::formats
