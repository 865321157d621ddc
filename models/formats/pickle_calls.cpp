#include <algorithm>
#include <utility>

#include <models/formats/message.h>
#include <models/formats/numpy_scalar.h>
#include <models/formats/pickle_globals.h>

namespace retentive::models::formats {
namespace {

using Kind = PickleNode::Kind;
using Use = GlobalUse;

// One call: checked access to its arguments, and an error that names the callable.
class Call {
 public:
  Call(PickleArena& arena, NodeId callable, const std::vector<NodeId>& args)
      : arena_(arena), rule_(*arena[callable].rule), args_(args) {}

  NodeId result();

 private:
  [[noreturn]] void fail(const std::string& what) const {
    arena_.fail(std::string(rule_.name) + " " + what + "; save the checkpoint again with a current torch.save");
  }
  NodeId arg(std::size_t index, Kind kind) const;
  std::int64_t count(NodeId id) const;
  std::vector<std::int64_t> counts(std::size_t index) const;
  void expect_args(std::size_t least, std::size_t most) const;
  std::vector<NodeId> sequence(std::size_t index);
  NodeId skipped();
  NodeId dict();
  NodeId items(Kind kind, std::size_t most_args);
  NodeId bytes();
  NodeId encode();
  NodeId add_tensor(DType dtype, std::int64_t storage_numel);
  NodeId foreign(const std::string& type, std::size_t shape_index);
  NodeId meta();
  NodeId tensor();
  NodeId tensor_v3();
  NodeId parameter() const;
  NodeId from_type();

  PickleArena& arena_;
  const GlobalRule& rule_;
  const std::vector<NodeId> args_;
};

NodeId Call::arg(std::size_t index, Kind kind) const {
  const Kind actual = arena_[args_[index]].kind;
  if (actual != kind) {
    fail("has a " + std::string(node_kind_name(actual)) + " as argument " + std::to_string(index) + ", not a " +
         std::string(node_kind_name(kind)));
  }
  return args_[index];
}

void Call::expect_args(std::size_t least, std::size_t most) const {
  if (args_.size() < least || args_.size() > most) {
    fail("has " + std::to_string(args_.size()) + " arguments, not " + std::to_string(least) +
         (most > least ? " to " + std::to_string(most) : ""));
  }
}

std::int64_t Call::count(NodeId id) const {
  const PickleNode& node = arena_[id];
  if (node.kind != Kind::integer || node.integer < 0) {
    fail("has " + (node.kind == Kind::integer ? std::to_string(node.integer) : std::string(node_kind_name(node.kind))) +
         " where an integer from 0 up belongs");
  }
  return node.integer;
}

std::vector<std::int64_t> Call::counts(std::size_t index) const {
  const PickleNode& node = arena_[arg(index, Kind::tuple)];
  if (node.children.size() > kMaxRank) {
    fail("has a tensor of " + std::to_string(node.children.size()) + " dimensions; at most " +
         std::to_string(kMaxRank) + " are read");
  }
  std::vector<std::int64_t> result;
  for (const NodeId child : node.children) result.push_back(count(child));
  return result;
}

std::vector<NodeId> Call::sequence(std::size_t index) {
  const PickleNode& node = arena_[args_[index]];
  if (node.kind != Kind::list && node.kind != Kind::tuple) {
    fail("has a " + std::string(node_kind_name(node.kind)) + " where a list or tuple belongs");
  }
  arena_.charge(node.children.size());
  return node.children;
}

NodeId Call::skipped() {
  const bool names_class = !args_.empty() && arena_[args_[0]].kind == Kind::global;
  const bool known = names_class && arena_[args_[0]].rule->use == Use::skipped;
  if (rule_.use == Use::reconstruct && !known) fail("is called for something that is not a skipped class");
  return arena_.add(Kind::skipped, std::string(known ? arena_[args_[0]].rule->name : rule_.name));
}

NodeId Call::dict() {
  expect_args(0, 1);
  if (args_.empty()) return arena_.add(Kind::dict);
  if (arena_[args_[0]].kind == Kind::dict) {
    arena_.charge(arena_[args_[0]].children.size());
    return arena_.add(Kind::dict, {}, std::vector<NodeId>(arena_[args_[0]].children));
  }
  std::vector<NodeId> children;
  for (const NodeId id : sequence(0)) {
    const PickleNode& pair = arena_[id];
    if ((pair.kind != Kind::list && pair.kind != Kind::tuple) || pair.children.size() != 2) {
      fail("has an item that is not a pair of key and value");
    }
    children.insert(children.end(), pair.children.begin(), pair.children.end());
  }
  return arena_.add(Kind::dict, {}, std::move(children));
}

NodeId Call::items(Kind kind, std::size_t most_args) {
  expect_args(0, most_args);
  return arena_.add(kind, {}, args_.empty() ? std::vector<NodeId>() : sequence(0));
}

NodeId Call::bytes() {
  expect_args(0, 2);
  if (args_.empty()) return arena_.add(Kind::bytes);
  if (args_.size() == 2) return encode();
  const PickleNode& content = arena_[arg(0, Kind::bytes)];
  arena_.charge(content.text.size() / 16 + 1);
  return arena_.add(Kind::bytes, std::string(content.text));
}

// Protocol 2 has no bytes: they are written as text, one character below U+0100 a byte.
NodeId Call::encode() {
  expect_args(1, 2);
  const std::string& text = arena_[arg(0, Kind::string)].text;
  if (args_.size() == 2) {
    const std::string& codec = arena_[arg(1, Kind::string)].text;
    if (codec != "latin1" && codec != "latin-1") fail("has the codec " + in_quotes(codec) + "; only latin1 is read");
  }
  arena_.charge(text.size() / 16 + 1);
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      result += text[i];
    } else if ((byte == 0xc2 || byte == 0xc3) && i + 1 < text.size()) {
      result += static_cast<char>((byte & 3) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3f));
    } else {
      fail("has text that is not latin1");
    }
  }
  return arena_.add(Kind::bytes, std::move(result));
}

NodeId Call::add_tensor(DType dtype, std::int64_t storage_numel) {
  PickleTensor tensor{dtype, arena_[args_[0]].tensor->storage, storage_numel, count(args_[1]), counts(2), counts(3)};
  if (tensor.shape.size() != tensor.strides.size()) {
    fail("has shape " + shape_text(tensor.shape) + " but strides " + shape_text(tensor.strides));
  }
  PickleNode node;
  node.kind = Kind::tensor;
  node.tensor = std::make_unique<PickleTensor>(std::move(tensor));
  return arena_.add(std::move(node));
}

// A tensor whose values are not read.
NodeId Call::foreign(const std::string& type, std::size_t shape_index) {
  PickleNode node;
  node.kind = Kind::skipped;
  node.integer = 1;
  node.text = type;
  if (shape_index < args_.size()) node.text += " " + shape_text(counts(shape_index));
  return arena_.add(std::move(node));
}

NodeId Call::meta() {
  expect_args(4, 4);
  const std::string dtype = arena_[arg(0, Kind::global)].text;
  return foreign("meta " + dtype, 1);
}

NodeId Call::tensor() {
  expect_args(4, 7);
  const PickleNode& storage = arena_[arg(0, Kind::storage)];
  if (storage.rule->use == Use::foreign_storage) {
    const std::string_view name = storage.rule->name;
    return foreign(std::string(name.substr(0, name.size() - std::string_view("Storage").size())), 2);
  }
  if (storage.rule->use == Use::untyped_storage) fail("has an untyped storage");
  if (args_.size() == 7 && !arena_[arg(6, Kind::dict)].children.empty()) {
    fail("has a tensor with lazily negated or conjugated values");
  }
  return add_tensor(storage.tensor->dtype, storage.tensor->storage_numel);
}

NodeId Call::tensor_v3() {
  expect_args(7, 8);
  const PickleNode& storage = arena_[arg(0, Kind::storage)];
  const PickleNode& dtype = arena_[arg(6, Kind::global)];
  if (storage.rule->use == Use::untyped_storage && dtype.rule->use == Use::foreign_dtype) {
    return foreign(std::string(dtype.rule->name), 2);
  }
  if (storage.rule->use != Use::untyped_storage || dtype.rule->use != Use::torch_dtype) {
    fail("needs an untyped storage and a torch.dtype");
  }
  const auto size = static_cast<std::int64_t>(item_size(dtype.rule->dtype));
  if (storage.tensor->storage_numel % size != 0) fail("has a storage of a fraction of an element");
  return add_tensor(dtype.rule->dtype, storage.tensor->storage_numel / size);
}

NodeId Call::parameter() const {
  expect_args(1, 4);
  return arena_[args_[0]].kind == Kind::skipped ? args_[0] : arg(0, Kind::tensor);
}

// A tensor with Python attributes: (rebuilding function, class, its arguments, attributes).
NodeId Call::from_type() {
  expect_args(4, 4);
  const Use use = arena_[arg(0, Kind::global)].rule->use;
  const bool rebuilds = use == Use::rebuild_tensor || use == Use::rebuild_tensor_v3 || use == Use::rebuild_parameter ||
                        use == Use::rebuild_meta || use == Use::rebuild_foreign;
  if (!rebuilds) {
    fail("is called with " + arena_[args_[0]].text + ", which rebuilds no tensor");
  }
  return Call(arena_, args_[0], arena_[arg(2, Kind::tuple)].children).result();
}

NodeId Call::result() {
  switch (rule_.use) {
    case Use::skipped:
    case Use::reconstruct:
      return skipped();
    case Use::dict:
      return dict();
    case Use::default_dict:
      expect_args(0, 1);
      return arena_.add(Kind::dict);
    case Use::list:
      return items(Kind::list, 2);
    case Use::tuple:
      return items(Kind::tuple, 1);
    case Use::bytes:
      return bytes();
    case Use::encode:
      return encode();
    case Use::rebuild_tensor:
      return tensor();
    case Use::rebuild_tensor_v3:
      return tensor_v3();
    case Use::rebuild_parameter:
      return parameter();
    case Use::rebuild_from_type:
      return from_type();
    case Use::rebuild_meta:
      return meta();
    case Use::rebuild_foreign:
      return foreign(std::string(rule_.name), args_.size());
    case Use::numpy_scalar:
      expect_args(2, 2);
      return make_numpy_scalar(arena_, arg(0, Kind::numpy_dtype), args_[1]);
    case Use::numpy_dtype:
      expect_args(1, 3);
      return make_numpy_dtype(arena_, arena_[arg(0, Kind::string)].text);
    case Use::constant:
    case Use::storage:
    case Use::untyped_storage:
    case Use::torch_dtype:
    case Use::foreign_storage:
    case Use::foreign_dtype:
      break;
  }
  fail("is called, which no checkpoint needs");
}

}  // namespace

NodeId call_global(PickleArena& arena, NodeId callable, NodeId args) {
  const PickleNode& node = arena[callable];
  if (node.kind != Kind::global || arena[args].kind != Kind::tuple) {
    arena.fail("a " + std::string(node_kind_name(node.kind)) + " is called with a " +
               std::string(node_kind_name(arena[args].kind)) + "; only allowed globals are called, with a tuple");
  }
  constexpr std::size_t kMostArguments = 64;
  if (arena[args].children.size() > kMostArguments) {
    arena.fail(node.text + " is called with " + std::to_string(arena[args].children.size()) + " arguments; at most " +
               std::to_string(kMostArguments) + " are read");
  }
  return Call(arena, callable, arena[args].children).result();
}

NodeId load_storage(PickleArena& arena, NodeId id) {
  constexpr std::size_t kLongestKey = 128;
  const std::vector<NodeId>& parts = arena[id].children;
  const auto is = [&](std::size_t index, Kind kind) { return arena[parts[index]].kind == kind; };
  const bool well_formed = arena[id].kind == Kind::tuple && parts.size() == 5 && is(0, Kind::string) &&
                           arena[parts[0]].text == "storage" && is(1, Kind::global) && is(2, Kind::string) &&
                           is(3, Kind::string) && is(4, Kind::integer) && arena[parts[4]].integer >= 0;
  if (!well_formed || arena[parts[2]].text.size() > kLongestKey) {
    arena.fail("a persistent id is not ('storage', type, key, location, numel); torch.save writes no other");
  }
  const GlobalRule* rule = arena[parts[1]].rule;
  if (rule->use != Use::storage && rule->use != Use::untyped_storage && rule->use != Use::foreign_storage) {
    arena.fail(arena[parts[1]].text + " is used as a storage type; it is none");
  }
  PickleNode node;
  node.kind = Kind::storage;
  node.text = rule->name;
  node.rule = rule;
  node.tensor = std::make_unique<PickleTensor>();
  node.tensor->dtype = rule->dtype;
  node.tensor->storage = arena[parts[2]].text;
  node.tensor->storage_numel = arena[parts[4]].integer;
  return arena.add(std::move(node));
}

void build_state(PickleArena& arena, NodeId object, NodeId state) {
  const Kind kind = arena[object].kind;
  if (kind == Kind::numpy_dtype) return build_numpy_dtype(arena, object, state);
  if (kind != Kind::dict && kind != Kind::list && kind != Kind::tensor && kind != Kind::skipped) {
    arena.fail("a state is given to a " + std::string(node_kind_name(kind)) + "; only containers and objects have one");
  }
}

}  // namespace retentive::models::formats
