#include <models/tensor_io.h>

#include <array>
#include <cstring>
#include <utility>

#include <models/formats/safetensors.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

using formats::DType;

constexpr std::array<std::pair<DType, at::ScalarType>, 10> kTypes = {{{DType::f64, at::kDouble},
                                                                      {DType::f32, at::kFloat},
                                                                      {DType::f16, at::kHalf},
                                                                      {DType::bf16, at::kBFloat16},
                                                                      {DType::i64, at::kLong},
                                                                      {DType::i32, at::kInt},
                                                                      {DType::i16, at::kShort},
                                                                      {DType::i8, at::kChar},
                                                                      {DType::u8, at::kByte},
                                                                      {DType::boolean, at::kBool}}};

}  // namespace

at::ScalarType scalar_type(formats::DType dtype) {
  for (const auto& [file, torch] : kTypes) {
    if (file == dtype) return torch;
  }
  throw Unsupported("[tensor_io] element type " + std::string(formats::dtype_name(dtype)) + " has no LibTorch type");
}

formats::DType file_dtype(at::ScalarType type) {
  for (const auto& [file, torch] : kTypes) {
    if (torch == type) return file;
  }
  throw Unsupported(
      std::string("[tensor_io] element type ") + c10::toString(type) +
      " cannot be stored; accepted: F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL; convert the tensor");
}

torch::Tensor to_torch(const formats::TensorView& view, std::shared_ptr<const void> owner) {
  const auto options = torch::TensorOptions(scalar_type(view.dtype));
  if (view.bytes.empty() || !formats::is_aligned(view)) {
    auto copy = torch::empty(view.shape, options);
    if (!view.bytes.empty()) std::memcpy(copy.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
    return copy;
  }
  auto* data = const_cast<std::byte*>(view.bytes.data());
  return torch::from_blob(
      data, view.shape, [keep = std::move(owner)](void*) mutable { keep.reset(); }, options);
}

TensorFile read_tensors(const std::filesystem::path& path) {
  const auto file = formats::SafetensorsFile::open(path);
  if (!file.skipped().empty()) {
    const auto& [name, type] = file.skipped().front();
    throw CheckpointError("[" + path.string() + "] tensor " + name + " is " + type +
                          "; accepted are F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL; convert it to one of them");
  }
  TensorFile result;
  for (const auto& view : file.tensors()) result.tensors.push_back({view.name, to_torch(view, file.owner())});
  result.metadata = file.metadata();
  return result;
}

void write_tensors(const std::filesystem::path& path, const NamedTensors& tensors,
                   const std::map<std::string, std::string>& metadata) {
  std::vector<torch::Tensor> dense;  // keeps converted copies alive until the file is written
  std::vector<formats::TensorView> views;
  for (const auto& [name, tensor] : tensors) {
    const auto& kept = dense.emplace_back(tensor.detach().to(torch::kCPU).contiguous());
    const auto* data = static_cast<const std::byte*>(kept.const_data_ptr());
    views.push_back({name, file_dtype(kept.scalar_type()), kept.sizes().vec(), {data, kept.nbytes()}});
  }
  formats::write_safetensors(path, views, metadata);
}

}  // namespace retentive::models
