#include <models/formats/pickle_machine.h>

#include <algorithm>
#include <bit>
#include <utility>

#include <models/formats/little_endian.h>
#include <models/formats/message.h>
#include <models/formats/pickle_globals.h>
#include <models/formats/pickle_opcodes.h>

namespace retentive::models::formats {

using Kind = PickleNode::Kind;

std::string_view PickleMachine::read_text(std::uint64_t size) {
  if (!in_bounds(position_, size, bytes_.size())) {
    arena_.fail("a text of " + std::to_string(size) + " bytes is announced but " +
                std::to_string(bytes_.size() - position_) + " are left; the file is truncated or damaged");
  }
  position_ += size;
  return {reinterpret_cast<const char*>(bytes_.data()) + position_ - size, size};
}

std::string_view PickleMachine::read_line() {
  const auto rest = bytes_.subspan(position_);
  const auto end = std::find(rest.begin(), rest.end(), std::byte{'\n'});
  if (end == rest.end()) arena_.fail("a name has no end; the file is truncated or damaged");
  const std::string_view line = read_text(static_cast<std::uint64_t>(end - rest.begin()));
  ++position_;
  return line;
}

void PickleMachine::push(NodeId id) {
  if (stack_.size() >= kMaxPickleValues) {
    arena_.fail("more than " + std::to_string(kMaxPickleValues) + " values on the stack; the file is hostile");
  }
  stack_.push_back(id);
}

void PickleMachine::push_integer(std::int64_t value, Kind kind) {
  PickleNode node;
  node.kind = kind;
  node.integer = value;
  push(arena_.add(std::move(node)));
}

// Two's complement, least significant byte first; what is wider than 64 bits is no count or size and is skipped.
void PickleMachine::push_long(std::uint64_t size) {
  const std::string_view digits = read_text(size);
  if (digits.size() > sizeof(std::int64_t)) return push(arena_.add(Kind::skipped, "builtins.int"));
  std::uint64_t value = !digits.empty() && static_cast<signed char>(digits.back()) < 0 ? ~std::uint64_t{0} : 0;
  for (std::size_t i = digits.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(digits[i]);
  push_integer(static_cast<std::int64_t>(value));
}

// A mark is a floor: nothing below it may be taken before it is gone.
NodeId PickleMachine::pop() {
  const NodeId id = top();
  stack_.pop_back();
  return id;
}

NodeId PickleMachine::top() const {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) {
    arena_.fail("an opcode needs a value that is not there; the file is damaged");
  }
  return stack_.back();
}

std::vector<NodeId> PickleMachine::pop_to_mark() {
  if (marks_.empty()) arena_.fail("an opcode needs a mark that is not there; the file is damaged");
  const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<NodeId> items(first, stack_.end());
  stack_.erase(first, stack_.end());
  marks_.pop_back();
  return items;
}

void PickleMachine::push_tuple(std::size_t size) {
  std::vector<NodeId> items(size);
  for (std::size_t i = size; i-- > 0;) items[i] = pop();
  push(arena_.add(Kind::tuple, {}, std::move(items)));
}

void PickleMachine::append(const std::vector<NodeId>& items, bool pairs) {
  PickleNode& container = arena_[top()];
  if (container.kind == Kind::skipped) return;
  if (container.kind != (pairs ? Kind::dict : Kind::list)) {
    arena_.fail("items are put into a " + std::string(node_kind_name(container.kind)) +
                "; only lists and dicts take any; the file is damaged");
  }
  if (pairs && items.size() % 2 != 0) arena_.fail("a dict gets a key without a value; the file is damaged");
  container.children.insert(container.children.end(), items.begin(), items.end());
}

void PickleMachine::store(std::uint64_t index) {
  memo_[index] = top();
  if (memo_.size() > kMaxPickleValues) {
    arena_.fail("more than " + std::to_string(kMaxPickleValues) + " memo entries; the file is hostile");
  }
}

void PickleMachine::fetch(std::uint64_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end()) arena_.fail("memo entry " + std::to_string(index) + " was never set; the file is damaged");
  push(found->second);
}

void PickleMachine::push_global(std::string_view module, std::string_view name) {
  const GlobalRule* rule = find_global(module, name);
  if (rule == nullptr) {
    const std::string written = std::string(module.substr(0, 200)) + "." + std::string(name.substr(0, 200));
    const std::string shown = in_quotes(written);
    arena_.fail("the name " + shown.substr(1, shown.size() - 2) +
                " is refused: a checkpoint is read as data, and only tensors, containers and a few known classes are; "
                "nothing was executed; if you trust the file, load it in Python and save the state dict alone");
  }
  PickleNode node;
  node.kind = Kind::global;
  node.text = rule->name;
  node.rule = rule;
  push(arena_.add(std::move(node)));
}

void PickleMachine::push_stack_global() {
  const NodeId name = pop();
  const NodeId module = pop();
  if (arena_[name].kind != Kind::string || arena_[module].kind != Kind::string) {
    arena_.fail("a global is named by something that is not text; the file is damaged");
  }
  push_global(arena_[module].text, arena_[name].text);
}

void PickleMachine::refuse(std::uint8_t op) const {
  constexpr char kHex[] = "0123456789abcdef";
  arena_.fail(std::string("opcode 0x") + kHex[op >> 4] + kHex[op & 15] +
              " is not one that torch.save writes with protocol 2 to 5; save the checkpoint with pickle_protocol=2");
}

void PickleMachine::start() {
  if (bytes_.size() > kMaxPickleBytes) {
    arena_.fail("the pickle has " + std::to_string(bytes_.size()) + " bytes; at most " +
                std::to_string(kMaxPickleBytes) + " are read; save tensors instead of Python lists");
  }
  const auto op = read<std::uint8_t>();
  const auto protocol = op == opcode::kProto ? read<std::uint8_t>() : std::uint8_t{0};
  if (protocol < 2 || protocol > 5) {
    arena_.fail("pickle protocol " + std::to_string(protocol) +
                "; 2 to 5 are read; save the checkpoint with pickle_protocol=2");
  }
}

NodeId PickleMachine::run() {
  start();
  while (true) {
    arena_.set_position(position_);
    const auto op = read<std::uint8_t>();
    if (op == opcode::kStop) break;
    const bool known =
        stack(op) || scalar(op) || text(op) || memo(op) || make_container(op) || fill_container(op) || object(op);
    if (!known) refuse(op);
  }
  if (stack_.size() != 1 || !marks_.empty() || position_ != bytes_.size()) {
    arena_.fail("STOP leaves " + std::to_string(stack_.size()) + " values, " + std::to_string(marks_.size()) +
                " marks and " + std::to_string(bytes_.size() - position_) + " bytes; the file is damaged");
  }
  return stack_.front();
}

PickleValue load_pickle(std::span<const std::byte> bytes, const std::string& where) {
  PickleArena arena(where);
  const NodeId root = PickleMachine(bytes, arena).run();
  return build_pickle_tree(arena, root);
}

}  // namespace retentive::models::formats
