#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <models/formats/pickle.h>

namespace retentive::models::formats {

struct GlobalRule;

/// Most values a pickle may make, and most its finished tree may have.
inline constexpr std::size_t kMaxPickleValues = std::size_t{1} << 22;
/// Deepest nesting of containers in the finished tree.
inline constexpr std::size_t kMaxPickleDepth = 128;
/// Largest pickle; the pickle of a checkpoint holds no tensor data.
inline constexpr std::size_t kMaxPickleBytes = std::size_t{1} << 26;

/// Index of a node in its PickleArena.
using NodeId = std::uint32_t;

/// A value while the pickle is read. Nodes refer to each other by index, so that sharing costs nothing, cycles are
/// harmless and deep nesting is destroyed without recursion.
struct PickleNode {
  enum class Kind : std::uint8_t {
    none,
    boolean,
    integer,
    real,
    string,
    bytes,
    list,
    tuple,
    dict,
    tensor,
    skipped,
    global,
    storage,
    numpy_dtype
  };

  Kind kind = Kind::none;
  union {
    std::int64_t integer = 0;  ///< also boolean; 1 for a skipped object that is a tensor
    double real;
  };
  std::string text;              ///< string, bytes; name of a skipped object, global or NumPy type
  std::vector<NodeId> children;  ///< of a dict: key, value, key, value, ...
  const GlobalRule* rule = nullptr;
  std::unique_ptr<PickleTensor> tensor;  ///< also of a storage: its key, dtype and element count
};

/// Owner of all nodes of one pickle, with bounded size, and the source of its error messages.
class PickleArena {
 public:
  explicit PickleArena(const std::string& file) : file_(file) {}

  NodeId add(PickleNode node);
  NodeId add(PickleNode::Kind kind, std::string text = {}, std::vector<NodeId> children = {});
  PickleNode& operator[](NodeId id) { return nodes_[id]; }
  const PickleNode& operator[](NodeId id) const { return nodes_[id]; }
  std::size_t size() const { return nodes_.size(); }

  /// Accounts for what a call copies, which may cost far more than the bytes that ask for it.
  void charge(std::size_t units);

  /// Throws CheckpointError naming the file and the byte being read.
  [[noreturn]] void fail(const std::string& what) const;
  void set_position(std::size_t byte) { position_ = byte; }

 private:
  const std::string& file_;
  std::size_t position_ = 0;
  std::size_t charged_ = 0;
  std::vector<PickleNode> nodes_;
};

/// `int`, `dict`, `global`, ... for messages.
std::string_view node_kind_name(PickleNode::Kind kind);

/// Turns the nodes below `root` into a tree; refuses cycles, depth above kMaxPickleDepth, sizes above kMaxPickleValues
/// once shared parts are repeated, and repeated keys in a dict.
PickleValue build_pickle_tree(const PickleArena& arena, NodeId root);

}  // namespace retentive::models::formats
