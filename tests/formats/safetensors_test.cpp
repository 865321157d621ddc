#include <models/formats/safetensors.h>

#include <formats/build.h>
#include <models/formats/safetensors_header.h>

namespace retentive::models::formats {
namespace {

using testing::as_bytes;
using testing::error_of;
using testing::le;
using testing::safetensors_image;
using testing::text_of;

SafetensorsFile read(const std::string& image) { return SafetensorsFile::from_bytes(as_bytes(image), "made.st"); }

std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                   const std::string& offsets) {
  return std::string("\"") + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

std::string object(const std::vector<std::string>& entries) {
  std::string text = "{";
  for (const std::string& entry : entries) {
    if (text.size() > 1) text += ',';
    text += entry;
  }
  return text + '}';
}

// The message for a header over 8 bytes of data, which must name the file.
std::string header_error(const std::string& header, std::size_t data = 8) {
  const std::string image = safetensors_image(header, std::string(data, 'd'));
  const std::string message = error_of<CheckpointError>([&] { read(image); });
  CHECK(message.find("[safetensors] made.st: ") == 0);
  return message;
}

void check_refused(const std::string& header, const std::string& expected, std::size_t data = 8) {
  INFO(header);
  CHECK_THAT(header_error(header, data), Catch::Contains(expected));
}

}  // namespace

TEST_CASE("a safetensors file gives tensors in data order and its metadata", "[formats]") {
  const std::string header =
      object({tensor("late", "U8", "[2,2]", "[8,12]"), tensor("none", "F32", "[0,7]", "[8,8]"),
              tensor("early", "F32", "[2]", "[0,8]"), "\"__metadata__\":{\"k\":\"v\",\"gr\\u00fc\\u00df\":\"\"}",
              tensor("scalar", "BF16", "[]", "[12,14]")}) +
      "  ";
  const std::string image = safetensors_image(header, "abcdefghABCDxy");
  const SafetensorsFile file = read(image);
  REQUIRE(file.tensors().size() == 4);
  CHECK(file.tensors()[0].name == "early");
  CHECK(file.tensors()[1].name == "none");
  CHECK(file.tensors()[2].name == "late");
  CHECK(file.tensors()[3].name == "scalar");
  CHECK(text_of(file.tensors()[2].bytes) == "ABCD");
  CHECK(file.tensors()[2].shape == std::vector<std::int64_t>{2, 2});
  CHECK(file.tensors()[1].shape == std::vector<std::int64_t>{0, 7});
  CHECK(file.tensors()[1].bytes.empty());
  REQUIRE(file.find("scalar") != nullptr);
  CHECK(file.find("scalar")->shape.empty());
  CHECK(file.find("scalar")->dtype == DType::bf16);
  CHECK(text_of(file.find("scalar")->bytes) == "xy");
  CHECK(file.find("absent") == nullptr);
  CHECK(file.metadata() == Metadata{{"k", "v"}, {"gr\u00fc\u00df", ""}});
  CHECK(file.name() == "made.st");
  CHECK(read(safetensors_image("{}", "")).tensors().empty());
}

TEST_CASE("a safetensors header must be one object of known fields", "[formats]") {
  check_refused("{", "not valid UTF-8 JSON");
  check_refused("{}{}", "not valid UTF-8 JSON");
  check_refused("{\"\xff\":{}}", "not valid UTF-8 JSON");
  check_refused(" {}", "must start with '{'");
  check_refused("[]", "must start with '{'");
  check_refused("", "must start with '{'");
  check_refused("{\"a\":1}", "the number 1 is not allowed as entry 'a'");
  check_refused("{\"a\":null}", "null is not allowed as entry 'a'");
  check_refused("{\"a\":[]}", "an array is not allowed as entry 'a'");
  check_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", "tensor 'a' has no data_offsets");
  check_refused("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", "tensor 'a' has no shape");
  check_refused("{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", "tensor 'a' has no dtype");
  check_refused("{\"a\":{\"strides\":[1]}}", "unknown field 'strides'");
  check_refused("{\"a\":{\"dtype\":{}}}", "an object is not allowed as 'dtype' of tensor 'a'");
  check_refused("{\"a\":{\"dtype\":[]}}", "an array is not allowed as 'dtype' of tensor 'a'");
  check_refused("{\"a\":{\"shape\":\"2\"}}", "the string '2' is not allowed as 'shape' of tensor 'a'");
  check_refused("{\"a\":{\"shape\":[[2]]}}", "an array is not allowed as shape of tensor 'a'");
  check_refused(object({tensor("a", "F33", "[2]", "[0,8]")}), "tensor 'a' has dtype 'F33'; accepted are F64");
}

TEST_CASE("safetensors tensors of types that are not read are skipped by name", "[formats]") {
  const std::string header = object({tensor("c", "C64", "[1,2]", "[0,16]"), tensor("w", "U8", "[2]", "[16,18]"),
                                     tensor("f", "F8_E4M3", "[2]", "[18,20]"), tensor("u", "U16", "[3]", "[20,26]"),
                                     tensor("q", "F4", "[2,2]", "[26,28]"), tensor("s", "F6_E2M3", "[4]", "[28,31]")});
  const std::string image = safetensors_image(header, std::string(16, 'x') + "ab" + std::string(13, 'x'));
  const SafetensorsFile file = read(image);
  REQUIRE(file.tensors().size() == 1);
  CHECK(file.tensors()[0].name == "w");
  CHECK(text_of(file.tensors()[0].bytes) == "ab");
  REQUIRE(file.skipped().size() == 5);
  CHECK(file.skipped()[0].name == "c");
  CHECK(file.skipped()[0].type == "C64 [1, 2]");
  CHECK(file.skipped()[4].type == "F6_E2M3 [4]");
  CHECK(file.find("c") == nullptr);
  // Their ranges are checked like any other's.
  check_refused(object({tensor("c", "C64", "[2]", "[0,8]")}), "8 bytes, but C64 [2] needs 16");
  check_refused(object({tensor("c", "F4", "[3]", "[0,8]")}), "8 bytes, but F4 [3] needs");
  check_refused(object({tensor("c", "C64", "[4611686018427387904]", "[0,8]")}), "needs more than 2^63");
}

TEST_CASE("safetensors numbers are counts", "[formats]") {
  check_refused(object({tensor("a", "F32", "[-2]", "[0,8]")}), "the negative number -2 is not allowed as shape");
  check_refused(object({tensor("a", "F32", "[2.0]", "[0,8]")}), "the number '2.0' is not allowed as shape");
  check_refused(object({tensor("a", "F32", "[true]", "[0,8]")}), "true is not allowed as shape");
  check_refused(object({tensor("a", "F32", "[9223372036854775808]", "[0,8]")}), "the number 9223372036854775808");
  check_refused(object({tensor("a", "F32", "[2]", "[-1,8]")}), "-1 is not allowed as data_offsets of tensor 'a'");
  check_refused(object({tensor("a", "F32", "[2]", "[0,8.5]")}), "'8.5' is not allowed as data_offsets");
  check_refused(object({tensor("a", "F32", "[2]", "[0]")}), "tensor 'a' has 1 data_offsets");
  check_refused(object({tensor("a", "F32", "[2]", "[0,8,16]")}), "the number 16 is not allowed as data_offsets");
  std::string ones = "[1";
  for (std::size_t i = 0; i < kMaxRank; ++i) ones += ",1";
  ones += "]";
  check_refused(object({tensor("a", "F32", ones, "[0,4]")}), "more than 64 dimensions");
}

TEST_CASE("safetensors keys are unique everywhere", "[formats]") {
  check_refused(object({tensor("a", "F32", "[1]", "[0,4]"), tensor("a", "F32", "[1]", "[4,8]")}), "the key 'a' twice");
  check_refused("{\"__metadata__\":{},\"__metadata__\":{}}", "the key '__metadata__' twice");
  check_refused("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", "__metadata__ has the key 'k' twice");
  check_refused("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", "the field 'dtype' twice");
  check_refused("{\"a\":{\"shape\":[2],\"shape\":[2]}}", "the field 'shape' twice");
  check_refused("{\"a\":{\"data_offsets\":[0,8],\"data_offsets\":[0,8]}}", "the field 'data_offsets' twice");
}

TEST_CASE("safetensors metadata is text and nesting is bounded", "[formats]") {
  check_refused("{\"__metadata__\":{\"k\":1}}", "the number 1 is not allowed as __metadata__ entry 'k'");
  check_refused("{\"__metadata__\":{\"k\":{}}}", "an object is not allowed as __metadata__ entry 'k'");
  check_refused("{\"__metadata__\":{\"k\":null}}", "null is not allowed as __metadata__ entry 'k'");
  check_refused("{\"__metadata__\":null}", "null is not allowed as entry '__metadata__'");
  check_refused("{\"a\":" + std::string(1000000, '['), "an array is not allowed as entry 'a'");
}

TEST_CASE("safetensors ranges cover the data exactly", "[formats]") {
  const auto two = [](const std::string& first, const std::string& second) {
    return object({tensor("a", "U8", "[4]", first), tensor("b", "U8", "[4]", second)});
  };
  CHECK(read(safetensors_image(two("[0,4]", "[4,8]"), "01234567")).tensors().size() == 2);
  check_refused(two("[0,4]", "[3,7]"), "tensor 'b' has data_offsets [3, 7], an overlap");
  check_refused(two("[0,4]", "[0,4]"), "tensor 'b' has data_offsets [0, 4], an overlap");
  check_refused(two("[0,4]", "[5,9]"), "tensor 'b' has data_offsets [5, 9], a hole");
  check_refused(two("[1,5]", "[5,9]"), "tensor 'a' has data_offsets [1, 5], a hole");
  check_refused(two("[0,4]", "[4,8]"), "[4, 8] but the file has 7 data bytes", 7);
  check_refused(two("[0,4]", "[4,8]"), "tensors end at data byte 8 but the file has 9", 9);
  check_refused(object({tensor("a", "F32", "[3]", "[0,8]")}), "8 bytes, but F32 [3] needs 12");
  check_refused(object({tensor("a", "F32", "[4294967296,4294967296]", "[0,0]")}), "needs more than 2^63", 0);
  check_refused(object({tensor("a", "F32", "[0]", "[0,18446744073709551615]")}), "the file has 8 data bytes");
  check_refused(object({tensor("a", "U8", "[0]", "[0,0]"), tensor("b", "U8", "[8]", "[8,0]")}), "a hole");
  check_refused("{}", "tensors end at data byte 0 but the file has 8");
}

TEST_CASE("safetensors header length is bounded by the format and the file", "[formats]") {
  const auto error = [](const std::string& image) { return error_of<CheckpointError>([&] { read(image); }); };
  CHECK_THAT(error(""), Catch::Contains("has 0 bytes; a safetensors file starts with an 8-byte header length"));
  CHECK_THAT(error("1234567"), Catch::Contains("has 7 bytes"));
  CHECK_THAT(error(le<std::uint64_t>(3) + "{}"), Catch::Contains("header length is 3 but the file has 10 bytes"));
  CHECK_THAT(error(le<std::uint64_t>(kMaxSafetensorsHeader + 1) + "{}"),
             Catch::Contains("header length is 100000001; at most 100000000"));
  CHECK_THAT(error(le<std::uint64_t>(UINT64_MAX) + "{}"), Catch::Contains("18446744073709551615"));
}

TEST_CASE("names of a hostile file are escaped in messages", "[formats]") {
  check_refused("{\"a\\u001b[31m\":1}", "entry 'a\\x1b[31m'");
  CHECK(header_error("{\"" + std::string(100000, 'n') + "\":1}").size() < 500);
}

}  // namespace retentive::models::formats
