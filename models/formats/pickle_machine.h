#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <models/formats/little_endian.h>
#include <models/formats/pickle_nodes.h>

namespace retentive::models::formats {

/// The stack machine of a pickle: reads one opcode after the other and fills the arena with plain nodes.
class PickleMachine {
 public:
  PickleMachine(std::span<const std::byte> bytes, PickleArena& arena) : bytes_(bytes), arena_(arena) {}

  /// Runs to STOP, which must be the last byte, and returns the one value left. Throws CheckpointError.
  NodeId run();

 private:
  // Each takes the opcodes of one group and tells whether this was one of them.
  bool scalar(std::uint8_t op);
  bool text(std::uint8_t op);
  bool make_container(std::uint8_t op);
  bool fill_container(std::uint8_t op);
  bool memo(std::uint8_t op);
  bool object(std::uint8_t op);
  bool stack(std::uint8_t op);

  void start();
  template <typename T>
  T read();
  std::string_view read_text(std::uint64_t size);
  std::string_view read_line();
  void push(NodeId id);
  void push_integer(std::int64_t value, PickleNode::Kind kind = PickleNode::Kind::integer);
  void push_long(std::uint64_t size);
  void push_tuple(std::size_t size);
  NodeId pop();
  NodeId top() const;
  std::vector<NodeId> pop_to_mark();
  void append(const std::vector<NodeId>& items, bool pairs);
  void store(std::uint64_t index);
  void fetch(std::uint64_t index);
  void push_global(std::string_view module, std::string_view name);
  void push_stack_global();
  [[noreturn]] void refuse(std::uint8_t op) const;

  std::span<const std::byte> bytes_;
  PickleArena& arena_;
  std::size_t position_ = 0;
  std::vector<NodeId> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, NodeId> memo_;
};

template <typename T>
T PickleMachine::read() {
  if (!in_bounds(position_, sizeof(T), bytes_.size())) arena_.fail("the pickle ends in the middle; get the file again");
  const T value = load<T>(bytes_, position_);
  position_ += sizeof(T);
  return value;
}

}  // namespace retentive::models::formats
