#include <models/formats/strided.h>

#include <cstring>

namespace retentive::models::formats {

std::optional<std::uint64_t> strided_extent(const PickleTensor& tensor) noexcept {
  const auto bytes = byte_size(tensor.dtype, tensor.shape);
  if (!bytes || tensor.offset < 0) return std::nullopt;
  if (*bytes == 0) return static_cast<std::uint64_t>(tensor.offset);
  std::int64_t last = tensor.offset;
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    std::int64_t reach = 0;
    if (tensor.strides[i] < 0 || __builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i], &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      return std::nullopt;
    }
  }
  return static_cast<std::uint64_t>(last) + 1;
}

bool is_contiguous(const PickleTensor& tensor) noexcept {
  std::int64_t expected = 1;
  for (std::size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] == 0) return true;
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

std::vector<std::byte> gather(const PickleTensor& tensor, std::span<const std::byte> storage) {
  const std::size_t size = item_size(tensor.dtype);
  const std::size_t rank = tensor.shape.size();
  const auto count = static_cast<std::uint64_t>(numel(tensor.shape));
  std::vector<std::byte> result(count * size);
  std::vector<std::int64_t> index(rank, 0);
  std::int64_t element = tensor.offset;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::memcpy(result.data() + i * size, storage.data() + static_cast<std::size_t>(element) * size, size);
    for (std::size_t axis = rank; axis-- > 0;) {
      if (++index[axis] < tensor.shape[axis]) {
        element += tensor.strides[axis];
        break;
      }
      element -= (tensor.shape[axis] - 1) * tensor.strides[axis];
      index[axis] = 0;
    }
  }
  return result;
}

}  // namespace retentive::models::formats
