#include <models/formats/pth.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include <models/formats/mapped_file.h>
#include <models/formats/message.h>
#include <models/formats/signatures.h>
#include <models/formats/strided.h>
#include <retention/base/error.h>

namespace retentive::models::formats {
namespace {

[[noreturn]] void fail(const std::string& file, const std::string& what) { fail_checkpoint("pth", file, what); }

// What expanded views may add up to beyond a multiple of the file: a stride of 0 makes any size from four bytes.
constexpr std::uint64_t kViewAllowance = std::uint64_t{1} << 30;
constexpr std::uint64_t kViewFactor = 8;

void refuse_other_formats(std::span<const std::byte> bytes, const std::string& name) {
  const Signature signature = read_signature(bytes);
  if (signature == Signature::pickle || signature == Signature::tar) {
    throw Unsupported("[pth] " + name + ": is a " + (signature == Signature::tar ? "tar" : "bare pickle") +
                      " file, as PyTorch before 1.6 wrote them; only the zip format is read; re-save it in Python with "
                      "a current torch: torch.save(torch.load(f, weights_only=True), f)");
  }
  if (signature != Signature::zip) {
    fail(name, bytes.empty() ? "is empty; get the file again"
                             : "starts with " + first_bytes_text(bytes) +
                                   "; a checkpoint of torch.save starts with 'PK'; get the file again");
  }
}

// torch.save puts everything below one folder of any name.
std::string find_prefix(const ZipArchive& archive) {
  constexpr std::string_view kPickle = "/data.pkl";
  std::string prefix;
  for (const ZipEntry& entry : archive.entries()) {
    const std::string_view name = entry.name;
    if (!name.ends_with(kPickle) || name.find('/') != name.size() - kPickle.size()) continue;
    if (!prefix.empty()) {
      fail(archive.name(), "has two pickles, " + in_quotes(prefix + "data.pkl") + " and " + in_quotes(name) +
                               "; a checkpoint has one; save each in a file of its own");
    }
    prefix = name.substr(0, name.find('/') + 1);
  }
  if (prefix.empty()) {
    fail(archive.name(), "is a zip archive without */data.pkl; give a checkpoint written by torch.save");
  }
  return prefix;
}

void refuse_torchscript(const ZipArchive& archive, const std::string& prefix) {
  for (const ZipEntry& entry : archive.entries()) {
    if (entry.name == prefix + "constants.pkl" || entry.name.starts_with(prefix + "code/")) {
      throw Unsupported("[pth] " + archive.name() + ": is a TorchScript archive (it has " + in_quotes(entry.name) +
                        "); only plain checkpoints are read; save its weights in Python: "
                        "torch.save(torch.jit.load(f).state_dict(), g)");
    }
  }
}

void check_byte_order(const ZipArchive& archive, const std::string& prefix) {
  const ZipEntry* entry = archive.find(prefix + "byteorder");
  if (entry == nullptr) return;
  const auto content = archive.read(*entry);
  const std::string_view order(reinterpret_cast<const char*>(content.data()), content.size());
  if (order != "little") {
    fail(archive.name(),
         "has byte order " + in_quotes(order) + "; only 'little' is read; save it again on a little-endian machine");
  }
}

std::string describe(const PickleTensor& tensor) {
  return "tensor of shape " + shape_text(tensor.shape) + ", strides " + shape_text(tensor.strides) + ", offset " +
         std::to_string(tensor.offset) + ", " + std::string(dtype_name(tensor.dtype)) + ", in storage " +
         in_quotes(tensor.storage);
}

// Sums the bytes of all tensors below a value after checking each against its storage.
class TensorCheck {
 public:
  using Kind = PickleValue::Kind;
  using Check = std::function<std::uint64_t(const PickleTensor&)>;
  explicit TensorCheck(Check check) : check_(std::move(check)) {}

  std::uint64_t visit(const PickleValue& value) const {
    if (value.is(Kind::tensor)) return check_(value.as_tensor());
    std::uint64_t total = 0;
    if (value.is(Kind::dict)) {
      for (const PickleEntry& entry : value.entries()) total = add(add(total, visit(entry.key)), visit(entry.value));
    } else if (value.is(Kind::list) || value.is(Kind::tuple)) {
      for (const PickleValue& item : value.items()) total = add(total, visit(item));
    }
    return total;
  }

 private:
  static std::uint64_t add(std::uint64_t a, std::uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

  Check check_;
};

}  // namespace

PthFile::PthFile(ZipArchive archive) : archive_(std::move(archive)), prefix_(find_prefix(archive_)) {
  refuse_torchscript(archive_, prefix_);
  check_byte_order(archive_, prefix_);
  root_ = load_pickle(archive_.read(*archive_.find(prefix_ + "data.pkl")), archive_.name());
  const TensorCheck check([this](const PickleTensor& tensor) {
    check_view(tensor);
    return *byte_size(tensor.dtype, tensor.shape);
  });
  const std::uint64_t total = check.visit(root_);
  if (total > kViewAllowance && (total - kViewAllowance) / kViewFactor > archive_.file_size()) {
    fail(name(), "its tensors would take " + std::to_string(total) + " bytes but the file has " +
                     std::to_string(archive_.file_size()) + "; expanded views of this size are not read; save copies");
  }
}

PthFile PthFile::open(const std::filesystem::path& path) {
  refuse_other_formats(MappedFile::open(path)->bytes(), path.string());
  return PthFile(ZipArchive::open(path));
}

PthFile PthFile::from_bytes(std::span<const std::byte> bytes, std::string name) {
  refuse_other_formats(bytes, name);
  return PthFile(ZipArchive::from_bytes(bytes, std::move(name)));
}

const ZipEntry& PthFile::check_view(const PickleTensor& tensor) const {
  const ZipEntry* entry = archive_.find(prefix_ + "data/" + tensor.storage);
  if (entry == nullptr) {
    fail(name(), "has no member " + in_quotes(prefix_ + "data/" + tensor.storage) + " for a " + describe(tensor) +
                     "; the file is damaged, get it again");
  }
  archive_.require_stored(*entry);
  const std::int64_t numel_of_storage[] = {tensor.storage_numel};
  const auto storage_bytes = byte_size(tensor.dtype, numel_of_storage);
  if (!storage_bytes || *storage_bytes != entry->size) {
    fail(name(), "member " + in_quotes(entry->name) + " has " + std::to_string(entry->size) +
                     " bytes but the pickle says " + std::to_string(tensor.storage_numel) + " elements of " +
                     std::string(dtype_name(tensor.dtype)) + "; the file is damaged, get it again");
  }
  const auto extent = tensor.shape.size() == tensor.strides.size() ? strided_extent(tensor) : std::nullopt;
  if (!extent || *extent > static_cast<std::uint64_t>(tensor.storage_numel)) {
    fail(name(), "a " + describe(tensor) + " needs " + (extent ? std::to_string(*extent) : "more than 2^63") +
                     " elements but the storage has " + std::to_string(tensor.storage_numel) +
                     "; views must lie inside their storage; the file is damaged, get it again");
  }
  return *entry;
}

OwnedTensor PthFile::contiguous(const PickleTensor& tensor, std::string tensor_name) const {
  const auto storage = archive_.read(check_view(tensor));
  OwnedTensor result{{std::move(tensor_name), tensor.dtype, tensor.shape, {}}, archive_.owner()};
  if (is_contiguous(tensor)) {
    const std::size_t size = item_size(tensor.dtype);
    result.view.bytes =
        storage.subspan(static_cast<std::size_t>(tensor.offset) * size, *byte_size(tensor.dtype, tensor.shape));
  } else {
    const auto copy = std::make_shared<const std::vector<std::byte>>(gather(tensor, storage));
    result.view.bytes = *copy;
    result.owner = copy;
  }
  return result;
}

}  // namespace retentive::models::formats
