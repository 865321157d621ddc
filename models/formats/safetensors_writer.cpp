#include <algorithm>
#include <set>
#include <string>

#include <nlohmann/json.hpp>

#include <models/formats/message.h>
#include <models/formats/safetensors.h>
#include <models/formats/safetensors_header.h>
#include <retention/base/error.h>
#include <retention/base/output_file.h>

namespace retentive::models::formats {
namespace {

[[noreturn]] void fail(const std::string& what) { throw InvalidArgument("[write_safetensors] " + what); }

std::string json_string(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    fail("the name or metadata text " + in_quotes(text) + " is not UTF-8; safetensors holds UTF-8 only; convert it");
  }
}

void check(std::span<const TensorView> tensors) {
  std::set<std::string_view> names;
  for (const TensorView& tensor : tensors) {
    if (tensor.name == kMetadataKey) fail("a tensor is named '__metadata__', which the format reserves; rename it");
    if (!names.insert(tensor.name).second) fail("two tensors are named " + in_quotes(tensor.name) + "; rename one");
    const auto needed = byte_size(tensor.dtype, tensor.shape);
    if (!needed || *needed != tensor.bytes.size()) {
      fail("tensor " + in_quotes(tensor.name) + " has " + std::to_string(tensor.bytes.size()) + " bytes but shape " +
           shape_text(tensor.shape) + " of " + std::string(dtype_name(tensor.dtype)) + " needs " +
           (needed ? std::to_string(*needed) : "a count of at most 2^63-1") + "; pass matching bytes and shape");
    }
  }
}

std::vector<const TensorView*> aligned_order(std::span<const TensorView> tensors) {
  std::vector<const TensorView*> order;
  order.reserve(tensors.size());
  for (const TensorView& tensor : tensors) order.push_back(&tensor);
  std::stable_sort(order.begin(), order.end(),
                   [](const TensorView* a, const TensorView* b) { return item_size(a->dtype) > item_size(b->dtype); });
  return order;
}

std::string metadata_text(const Metadata& metadata) {
  std::string text = "\"__metadata__\":{";
  for (const auto& [key, value] : metadata) {
    if (text.back() != '{') text += ",";
    text += json_string(key) + ":" + json_string(value);
  }
  return text + "}";
}

std::string header_text(const std::vector<const TensorView*>& order, const Metadata& metadata) {
  std::string text = "{";
  if (!metadata.empty()) text += metadata_text(metadata);
  std::uint64_t position = 0;
  for (const TensorView* tensor : order) {
    const std::uint64_t end = position + tensor->bytes.size();
    if (text.size() > 1) text += ",";
    text += json_string(tensor->name) + ":{\"dtype\":\"" + std::string(dtype_name(tensor->dtype)) + "\",\"shape\":[";
    for (std::size_t i = 0; i < tensor->shape.size(); ++i) {
      if (i > 0) text += ",";
      text += std::to_string(tensor->shape[i]);
    }
    text += "],\"data_offsets\":[" + std::to_string(position) + "," + std::to_string(end) + "]}";
    position = end;
  }
  text += "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > kMaxSafetensorsHeader) {
    fail("names and metadata need a header of " + std::to_string(text.size()) + " bytes; at most " +
         std::to_string(kMaxSafetensorsHeader) + " are allowed; write fewer tensors or less metadata");
  }
  return text;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                       const Metadata& metadata) {
  check(tensors);
  const auto order = aligned_order(tensors);
  const std::string header = header_text(order, metadata);
  const std::uint64_t length = header.size();
  OutputFile file(path, "write", fail_write);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  for (const TensorView* tensor : order) file.write(tensor->bytes);
  file.commit();
}

}  // namespace retentive::models::formats
