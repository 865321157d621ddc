#include <models/formats/numpy_scalar.h>

#include <cmath>
#include <cstring>
#include <limits>

#include <models/formats/message.h>

namespace retentive::models::formats {
namespace {

using Kind = PickleNode::Kind;

template <typename T>
T read(const std::string& bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

double half_to_double(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const double fraction = bits & 1023;
  const double magnitude = exponent == 0    ? std::ldexp(fraction, -24)
                           : exponent == 31 ? (fraction == 0 ? std::numeric_limits<double>::infinity()
                                                             : std::numeric_limits<double>::quiet_NaN())
                                            : std::ldexp(1024 + fraction, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

std::size_t size_of(const std::string& type) {
  return type.size() == 2 && type[1] >= '1' && type[1] <= '8' ? static_cast<std::size_t>(type[1] - '0') : 0;
}

NodeId add_real(PickleArena& arena, double value) {
  PickleNode node;
  node.kind = Kind::real;
  node.real = value;
  return arena.add(std::move(node));
}

NodeId add_integer(PickleArena& arena, std::int64_t value, Kind kind = Kind::integer) {
  PickleNode node;
  node.kind = kind;
  node.integer = value;
  return arena.add(std::move(node));
}

}  // namespace

NodeId make_numpy_dtype(PickleArena& arena, const std::string& text) {
  const bool has_order = !text.empty() && std::string_view("<>=|").find(text[0]) != std::string_view::npos;
  const std::string type = text.substr(has_order ? 1 : 0, 8);
  const NodeId id = arena.add(Kind::numpy_dtype, type);
  arena[id].integer = has_order && text[0] == '>' ? 1 : 0;
  return id;
}

void build_numpy_dtype(PickleArena& arena, NodeId dtype, NodeId state) {
  const std::vector<NodeId>& parts = arena[state].children;
  if (arena[state].kind != Kind::tuple || parts.size() < 2 || arena[parts[1]].kind != Kind::string) {
    arena.fail("the state of numpy.dtype is not (version, byte order, ...); save the value as a Python float");
  }
  arena[dtype].integer = arena[parts[1]].text == ">" ? 1 : 0;
}

NodeId make_numpy_scalar(PickleArena& arena, NodeId dtype, NodeId content) {
  const std::string type = arena[dtype].text;
  const std::size_t size = size_of(type);
  if (size == 0 || std::string_view("fiub").find(type[0]) == std::string_view::npos) {
    return arena.add(Kind::skipped, "numpy." + type);
  }
  const PickleNode& bytes = arena[content];
  const std::string text = bytes.text.substr(0, 9);
  if ((bytes.kind != Kind::bytes && bytes.kind != Kind::string) || text.size() != size) {
    arena.fail("a NumPy " + in_quotes(type) + " has a " + std::string(node_kind_name(bytes.kind)) + " of " +
               std::to_string(bytes.text.size()) + " bytes; save the value as a Python float");
  }
  if (arena[dtype].integer != 0 && size > 1) {
    arena.fail("a NumPy " + in_quotes(type) + " is big-endian; save the value as a Python float");
  }
  if (type == "f8") return add_real(arena, read<double>(text));
  if (type == "f4") return add_real(arena, static_cast<double>(read<float>(text)));
  if (type == "f2") return add_real(arena, half_to_double(read<std::uint16_t>(text)));
  if (type == "b1") return add_integer(arena, text[0] != 0 ? 1 : 0, Kind::boolean);
  if (type == "i8") return add_integer(arena, read<std::int64_t>(text));
  if (type == "i4") return add_integer(arena, read<std::int32_t>(text));
  if (type == "i2") return add_integer(arena, read<std::int16_t>(text));
  if (type == "i1") return add_integer(arena, read<std::int8_t>(text));
  if (type == "u4") return add_integer(arena, read<std::uint32_t>(text));
  if (type == "u2") return add_integer(arena, read<std::uint16_t>(text));
  if (type == "u1") return add_integer(arena, read<std::uint8_t>(text));
  if (type == "u8" && read<std::int64_t>(text) >= 0) return add_integer(arena, read<std::int64_t>(text));
  return arena.add(Kind::skipped, "numpy." + type);
}

}  // namespace retentive::models::formats
