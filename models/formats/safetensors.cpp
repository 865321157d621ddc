#include <models/formats/safetensors.h>

#include <algorithm>
#include <optional>
#include <utility>

#include <models/formats/little_endian.h>
#include <models/formats/mapped_file.h>
#include <models/formats/message.h>
#include <models/formats/safetensors_header.h>

namespace retentive::models::formats {
namespace {

[[noreturn]] void fail(const std::string& file, const std::string& what) { fail_checkpoint("safetensors", file, what); }

std::string_view header_text(std::span<const std::byte> bytes, const std::string& file) {
  if (bytes.size() < 8) {
    fail(file, "has " + std::to_string(bytes.size()) +
                   " bytes; a safetensors file starts with an 8-byte header length; get the file again");
  }
  const auto length = load<std::uint64_t>(bytes, 0);
  if (length > kMaxSafetensorsHeader) {
    fail(file, "header length is " + std::to_string(length) + "; at most " + std::to_string(kMaxSafetensorsHeader) +
                   " is allowed; the file is no safetensors file or is damaged");
  }
  if (!in_bounds(8, length, bytes.size())) {
    fail(file, "header length is " + std::to_string(length) + " but the file has " + std::to_string(bytes.size()) +
                   " bytes; the file is truncated, get it again");
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 8, length);
  if (text.empty() || text.front() != '{') {
    fail(file, "header starts with " + in_quotes(text.substr(0, 1)) +
                   "; it must start with '{'; the file is no safetensors file or is damaged");
  }
  return text;
}

std::string range_text(const HeaderTensor& tensor) {
  return "tensor " + in_quotes(tensor.name) + " has data_offsets [" + std::to_string(tensor.begin) + ", " +
         std::to_string(tensor.end) + "]";
}

std::string type_text(const HeaderTensor& tensor) {
  const auto type = tensor.foreign.bits > 0 ? tensor.foreign.name : dtype_name(tensor.dtype);
  return std::string(type) + " " + shape_text(tensor.shape);
}

std::optional<std::uint64_t> bytes_needed(const HeaderTensor& tensor) {
  if (tensor.foreign.bits == 0) return byte_size(tensor.dtype, tensor.shape);
  const auto count = byte_size(DType::u8, tensor.shape);
  std::uint64_t bits = 0;
  const bool whole = count && !__builtin_mul_overflow(*count, tensor.foreign.bits, &bits) && bits % 8 == 0;
  return whole ? std::optional(bits / 8) : std::nullopt;
}

void check_range(const HeaderTensor& tensor, std::uint64_t expected_begin, std::uint64_t limit,
                 const std::string& file) {
  if (tensor.begin != expected_begin) {
    fail(file, range_text(tensor) + (tensor.begin < expected_begin ? ", an overlap: " : ", a hole: ") +
                   "the data before it ends at " + std::to_string(expected_begin) +
                   "; ranges must follow each other from 0; write the file again");
  }
  if (tensor.end < tensor.begin || tensor.end > limit) {
    fail(file, range_text(tensor) + " but the file has " + std::to_string(limit) +
                   " data bytes; ranges must be ascending and inside the data; the file is truncated or damaged");
  }
  const auto needed = bytes_needed(tensor);
  if (!needed || *needed != tensor.end - tensor.begin) {
    fail(file, range_text(tensor) + ", " + std::to_string(tensor.end - tensor.begin) + " bytes, but " +
                   type_text(tensor) + " needs " + (needed ? std::to_string(*needed) : "more than 2^63") +
                   "; write the file again");
  }
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  SafetensorsFile result = from_bytes(file->bytes(), path.string());
  result.owner_ = file;
  return result;
}

SafetensorsFile SafetensorsFile::from_bytes(std::span<const std::byte> bytes, std::string name) {
  const std::string_view text = header_text(bytes, name);
  SafetensorsHeader header = parse_safetensors_header(text, name);
  const auto data = bytes.subspan(8 + text.size());
  std::stable_sort(header.tensors.begin(), header.tensors.end(), [](const HeaderTensor& a, const HeaderTensor& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  SafetensorsFile file;
  std::uint64_t position = 0;
  for (HeaderTensor& tensor : header.tensors) {
    check_range(tensor, position, data.size(), name);
    position = tensor.end;
    if (tensor.foreign.bits > 0) {
      file.skipped_.push_back({tensor.name, type_text(tensor)});
      continue;
    }
    file.index_.emplace(tensor.name, file.tensors_.size());
    file.tensors_.push_back({std::move(tensor.name), tensor.dtype, std::move(tensor.shape),
                             data.subspan(tensor.begin, tensor.end - tensor.begin)});
  }
  if (position != data.size()) {
    fail(name, "tensors end at data byte " + std::to_string(position) + " but the file has " +
                   std::to_string(data.size()) + " data bytes; lengths must agree; get the file again");
  }
  file.name_ = std::move(name);
  file.metadata_ = std::move(header.metadata);
  return file;
}

const TensorView* SafetensorsFile::find(std::string_view tensor_name) const noexcept {
  const auto found = index_.find(tensor_name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace retentive::models::formats
