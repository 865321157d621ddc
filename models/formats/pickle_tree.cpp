#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>

#include <models/formats/message.h>
#include <models/formats/pickle_globals.h>
#include <models/formats/pickle_nodes.h>

namespace retentive::models::formats {
namespace {

using Kind = PickleNode::Kind;

// Walks what is reachable once, before anything is copied: a few bytes of pickle can share their way to 2^100 values.
class TreeMeasure {
 public:
  explicit TreeMeasure(const PickleArena& arena) : arena_(arena), seen_(arena.size()) {}

  struct Extent {
    std::size_t values = 0;  // 0 = not visited yet
    std::size_t depth = 0;
    bool open = false;
  };

  const Extent& visit(NodeId id, std::size_t depth) {
    Extent& extent = seen_[id];
    if (extent.open)
      arena_.fail("a container holds itself; only trees of values are read; the file is damaged or hostile");
    if (extent.values != 0) return extent;
    if (depth > kMaxPickleDepth) fail_depth();
    extent.open = true;
    std::size_t values = 1 + arena_[id].text.size() / kTextPerValue;
    std::size_t below = 0;
    for (const NodeId child : arena_[id].children) {
      const Extent& part = visit(child, depth + 1);
      values += part.values;
      below = std::max(below, part.depth + 1);
      if (values > kMaxPickleValues) {
        arena_.fail("the pickle expands to more than " + std::to_string(kMaxPickleValues) +
                    " values; the file is damaged or hostile");
      }
    }
    if (below > kMaxPickleDepth) fail_depth();
    extent = {values, below, false};
    return extent;
  }

 private:
  static constexpr std::size_t kTextPerValue = 64;

  [[noreturn]] void fail_depth() const {
    arena_.fail("containers are nested more than " + std::to_string(kMaxPickleDepth) +
                " deep; save a flatter dictionary");
  }

  const PickleArena& arena_;
  std::vector<Extent> seen_;
};

class TreeBuilder {
 public:
  explicit TreeBuilder(const PickleArena& arena) : arena_(arena) {}

  PickleValue build(NodeId id) const {
    const PickleNode& node = arena_[id];
    switch (node.kind) {
      case Kind::none:
        return {};
      case Kind::boolean:
        return PickleValue(node.integer != 0);
      case Kind::integer:
        return PickleValue(node.integer);
      case Kind::real:
        return PickleValue(node.real);
      case Kind::string:
        return PickleValue(node.text);
      case Kind::bytes: {
        const auto bytes = std::as_bytes(std::span(node.text));
        return PickleValue(PickleValue::Bytes(bytes.begin(), bytes.end()));
      }
      case Kind::list:
        return PickleValue::list(items(node));
      case Kind::tuple:
        return PickleValue::tuple(items(node));
      case Kind::dict:
        return PickleValue(entries(node));
      case Kind::tensor:
        return PickleValue(*node.tensor);
      case Kind::skipped:
      case Kind::global:
      case Kind::storage:
      case Kind::numpy_dtype:
        return named(node);
    }
    return {};
  }

 private:
  // A class, function or bare storage is no data; only torch's element types stand for themselves.
  static PickleValue named(const PickleNode& node) {
    const bool is_dtype = node.kind == Kind::global &&
                          (node.rule->use == GlobalUse::torch_dtype || node.rule->use == GlobalUse::foreign_dtype);
    if (is_dtype) return PickleValue(node.text);
    return PickleValue(SkippedObject{node.text, node.kind == Kind::skipped && node.integer != 0});
  }

  PickleValue::Items items(const PickleNode& node) const {
    PickleValue::Items result;
    result.reserve(node.children.size());
    for (const NodeId child : node.children) result.push_back(build(child));
    return result;
  }

  PickleValue::Dict entries(const PickleNode& node) const {
    PickleValue::Dict result;
    result.reserve(node.children.size() / 2);
    std::unordered_set<std::string_view> names;
    std::unordered_set<std::int64_t> numbers;
    for (std::size_t i = 0; i < node.children.size(); i += 2) {
      const PickleNode& key = arena_[node.children[i]];
      const bool repeated = (key.kind == Kind::string && !names.insert(key.text).second) ||
                            (key.kind == Kind::integer && !numbers.insert(key.integer).second);
      if (repeated) {
        arena_.fail("a dict has the key " +
                    (key.kind == Kind::string ? in_quotes(key.text) : std::to_string(key.integer)) +
                    " twice; keys must be unique; the file is damaged or hostile");
      }
      result.push_back({build(node.children[i]), build(node.children[i + 1])});
    }
    return result;
  }

  const PickleArena& arena_;
};

constexpr std::array<std::string_view, 14> kNames{"none",           "bool",   "int",     "float",      "str",
                                                  "bytes",          "list",   "tuple",   "dict",       "tensor",
                                                  "skipped object", "global", "storage", "NumPy dtype"};

}  // namespace

std::string_view node_kind_name(Kind kind) { return kNames[static_cast<std::size_t>(kind)]; }

NodeId PickleArena::add(PickleNode node) {
  if (nodes_.size() >= kMaxPickleValues) {
    fail("more than " + std::to_string(kMaxPickleValues) + " values; the file is damaged or hostile");
  }
  nodes_.push_back(std::move(node));
  return static_cast<NodeId>(nodes_.size() - 1);
}

NodeId PickleArena::add(Kind kind, std::string text, std::vector<NodeId> children) {
  PickleNode node;
  node.kind = kind;
  node.text = std::move(text);
  node.children = std::move(children);
  return add(std::move(node));
}

void PickleArena::charge(std::size_t units) {
  if (units > kMaxPickleValues - charged_) {
    fail("its calls copy more than " + std::to_string(kMaxPickleValues) + " values; the file is damaged or hostile");
  }
  charged_ += units;
}

void PickleArena::fail(const std::string& what) const {
  fail_checkpoint("pickle", file_, "at byte " + std::to_string(position_) + " of the pickle: " + what);
}

PickleValue build_pickle_tree(const PickleArena& arena, NodeId root) {
  TreeMeasure(arena).visit(root, 0);
  return TreeBuilder(arena).build(root);
}

}  // namespace retentive::models::formats
