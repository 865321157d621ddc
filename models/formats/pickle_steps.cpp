#include <algorithm>
#include <bit>
#include <utility>

#include <models/formats/little_endian.h>
#include <models/formats/pickle_globals.h>
#include <models/formats/pickle_machine.h>
#include <models/formats/pickle_opcodes.h>

// One function per group of opcodes of PickleMachine.
namespace retentive::models::formats {

using Kind = PickleNode::Kind;

bool PickleMachine::stack(std::uint8_t op) {
  switch (op) {
    case opcode::kMark:
      if (marks_.size() >= kMaxPickleValues) arena_.fail("too many marks; the file is hostile");
      marks_.push_back(stack_.size());
      return true;
    case opcode::kPop:
      pop();
      return true;
    case opcode::kPopMark:
      pop_to_mark();
      return true;
    case opcode::kDup:
      push(top());
      return true;
    case opcode::kFrame:
      // Frames only group bytes for buffered readers.
      if (read<std::uint64_t>() > bytes_.size() - position_)
        arena_.fail("a frame leaves the pickle; get the file again");
      return true;
    default:
      return false;
  }
}

bool PickleMachine::scalar(std::uint8_t op) {
  switch (op) {
    case opcode::kNone:
      push(arena_.add(Kind::none));
      return true;
    case opcode::kNewTrue:
    case opcode::kNewFalse:
      push_integer(op == opcode::kNewTrue ? 1 : 0, Kind::boolean);
      return true;
    case opcode::kBinInt:
      push_integer(read<std::int32_t>());
      return true;
    case opcode::kBinInt1:
      push_integer(read<std::uint8_t>());
      return true;
    case opcode::kBinInt2:
      push_integer(read<std::uint16_t>());
      return true;
    case opcode::kLong1:
      push_long(read<std::uint8_t>());
      return true;
    case opcode::kLong4:
      push_long(read<std::uint32_t>());
      return true;
    case opcode::kBinFloat: {
      // The one big-endian number of the format.
      const auto bits = __builtin_bswap64(read<std::uint64_t>());
      PickleNode node;
      node.kind = Kind::real;
      node.real = std::bit_cast<double>(bits);
      push(arena_.add(std::move(node)));
      return true;
    }
    default:
      return false;
  }
}

bool PickleMachine::text(std::uint8_t op) {
  std::uint64_t size = 0;
  Kind kind = Kind::string;
  switch (op) {
    case opcode::kShortBinBytes:
      kind = Kind::bytes;
      [[fallthrough]];
    case opcode::kShortBinUnicode:
    case opcode::kShortBinString:
      size = read<std::uint8_t>();
      break;
    case opcode::kBinBytes:
      kind = Kind::bytes;
      [[fallthrough]];
    case opcode::kBinUnicode:
    case opcode::kBinString:
      size = read<std::uint32_t>();
      break;
    case opcode::kBinBytes8:
    case opcode::kByteArray8:
      kind = Kind::bytes;
      [[fallthrough]];
    case opcode::kBinUnicode8:
      size = read<std::uint64_t>();
      break;
    default:
      return false;
  }
  push(arena_.add(kind, std::string(read_text(size))));
  return true;
}

bool PickleMachine::make_container(std::uint8_t op) {
  switch (op) {
    case opcode::kEmptyList:
    case opcode::kEmptySet:
      push(arena_.add(Kind::list));
      return true;
    case opcode::kEmptyDict:
      push(arena_.add(Kind::dict));
      return true;
    case opcode::kEmptyTuple:
      push_tuple(0);
      return true;
    case opcode::kTuple1:
    case opcode::kTuple2:
    case opcode::kTuple3:
      push_tuple(op - opcode::kTuple1 + std::size_t{1});
      return true;
    case opcode::kTuple:
      push(arena_.add(Kind::tuple, {}, pop_to_mark()));
      return true;
    case opcode::kList:
    case opcode::kFrozenSet:
      push(arena_.add(Kind::list, {}, pop_to_mark()));
      return true;
    case opcode::kDict: {
      const std::vector<NodeId> items = pop_to_mark();
      push(arena_.add(Kind::dict));
      append(items, true);
      return true;
    }
    default:
      return false;
  }
}

bool PickleMachine::fill_container(std::uint8_t op) {
  switch (op) {
    case opcode::kAppend:
      append({pop()}, false);
      return true;
    case opcode::kSetItem: {
      const NodeId value = pop();
      const NodeId key = pop();
      append({key, value}, true);
      return true;
    }
    case opcode::kAppends:
    case opcode::kAddItems:
      append(pop_to_mark(), false);
      return true;
    case opcode::kSetItems:
      append(pop_to_mark(), true);
      return true;
    default:
      return false;
  }
}

bool PickleMachine::memo(std::uint8_t op) {
  switch (op) {
    case opcode::kBinPut:
      store(read<std::uint8_t>());
      return true;
    case opcode::kLongBinPut:
      store(read<std::uint32_t>());
      return true;
    case opcode::kMemoize:
      store(memo_.size());
      return true;
    case opcode::kBinGet:
      fetch(read<std::uint8_t>());
      return true;
    case opcode::kLongBinGet:
      fetch(read<std::uint32_t>());
      return true;
    default:
      return false;
  }
}

bool PickleMachine::object(std::uint8_t op) {
  switch (op) {
    case opcode::kGlobal: {
      const std::string_view module = read_line();
      push_global(module, read_line());
      return true;
    }
    case opcode::kStackGlobal:
      push_stack_global();
      return true;
    case opcode::kNewObjEx:
      if (arena_[pop()].kind != Kind::dict) arena_.fail("keyword arguments are not a dict; the file is damaged");
      [[fallthrough]];
    case opcode::kReduce:
    case opcode::kNewObj: {
      const NodeId args = pop();
      const NodeId callable = pop();
      push(call_global(arena_, callable, args));
      return true;
    }
    case opcode::kBuild: {
      const NodeId state = pop();
      build_state(arena_, top(), state);
      return true;
    }
    case opcode::kBinPersId:
      push(load_storage(arena_, pop()));
      return true;
    default:
      return false;
  }
}

}  // namespace retentive::models::formats
