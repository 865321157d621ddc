#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <models/formats/tensor.h>
#include <retention/base/export.h>

namespace retentive::models::formats {

/// A tensor as a pickle describes it: a strided view of a storage that lies elsewhere. Nothing but the ranks is
/// checked.
struct PickleTensor {
  DType dtype = DType::f32;
  std::string storage;                ///< key of the storage; its member is `data/<key>`
  std::int64_t storage_numel = 0;     ///< elements of this dtype that the pickle says the storage has
  std::int64_t offset = 0;            ///< first element of the view, in elements
  std::vector<std::int64_t> shape;    ///< not negative
  std::vector<std::int64_t> strides;  ///< in elements, not negative, one for each dimension
};

/// An object of a known class, or a tensor, that is not read; its state was parsed and dropped.
struct SkippedObject {
  std::string name;     ///< qualified class name, for example `argparse.Namespace`; of a tensor type and shape
  bool tensor = false;  ///< a tensor of a kind that is not read: `torch.uint16 [2, 3]`, `meta torch.float32 [4]`
};

struct PickleEntry;

/// A value of a pickle as plain data, a finite tree: what the pickle shares is repeated, what refers to itself is
/// refused. Sets are lists, an OrderedDict is a dict, a torch.dtype is a string such as `torch.float32`.
class RETENTIVE_API PickleValue {
 public:
  enum class Kind { none, boolean, integer, real, string, bytes, list, tuple, dict, tensor, skipped };
  using Bytes = std::vector<std::byte>;
  using Items = std::vector<PickleValue>;
  using Dict = std::vector<PickleEntry>;

  PickleValue();
  explicit PickleValue(bool value);
  explicit PickleValue(std::int64_t value);
  explicit PickleValue(double value);
  explicit PickleValue(std::string value);
  explicit PickleValue(Bytes value);
  explicit PickleValue(PickleTensor value);
  explicit PickleValue(SkippedObject value);
  explicit PickleValue(Dict value);
  PickleValue(const void*) = delete;  // or text in quotes would become a bool
  static PickleValue list(Items items);
  static PickleValue tuple(Items items);
  ~PickleValue();
  PickleValue(const PickleValue&);
  PickleValue(PickleValue&&) noexcept;
  PickleValue& operator=(const PickleValue&);
  PickleValue& operator=(PickleValue&&) noexcept;

  Kind kind() const noexcept;
  bool is(Kind kind_asked) const noexcept { return kind() == kind_asked; }

  /// The content; throws InvalidArgument naming both kinds when the value is of another kind.
  bool as_bool() const;
  std::int64_t as_int() const;
  double as_double() const;  ///< real or integer
  const std::string& as_string() const;
  const Bytes& as_bytes() const;
  const Items& items() const;   ///< list or tuple
  const Dict& entries() const;  ///< dict, in file order; keys are unique
  const PickleTensor& as_tensor() const;
  const SkippedObject& as_skipped() const;

  /// The value under a string key of a dict, or null when this is no dict or has no such key.
  const PickleValue* find(std::string_view key) const noexcept;

 private:
  struct List {
    Items items;
  };
  struct Tuple {
    Items items;
  };
  using Content = std::variant<std::monostate, bool, std::int64_t, double, std::string, Bytes, List, Tuple, Dict,
                               PickleTensor, SkippedObject>;
  template <typename T>
  const T& get(Kind wanted) const;

  Content content_;
};

/// One item of a dict.
struct PickleEntry {
  PickleValue key;
  PickleValue value;
};

/// `none`, `bool`, `int`, `float`, `str`, `bytes`, `list`, `tuple`, `dict`, `tensor`, `skipped object`.
RETENTIVE_API std::string_view kind_name(PickleValue::Kind kind) noexcept;

/// Reads a pickle of protocol 2 to 5 as torch.save writes it, as data only: nothing it names is ever imported or
/// called. Names outside the allow-list are refused exactly as written (`posix.system`); a short list of harmless
/// classes becomes SkippedObject. Depth, number of values and sizes are bounded. `where` names the file in messages.
/// Throws CheckpointError.
RETENTIVE_API PickleValue load_pickle(std::span<const std::byte> bytes, const std::string& where);

}  // namespace retentive::models::formats
