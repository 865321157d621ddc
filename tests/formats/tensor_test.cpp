#include <formats/build.h>
#include <models/formats/tensor.h>

namespace retentive::models::formats {

using testing::error_of;

TEST_CASE("element types have the names and sizes of safetensors", "[formats]") {
  const std::vector<std::tuple<DType, std::string, std::size_t>> rows{
      {DType::f64, "F64", 8}, {DType::f32, "F32", 4},     {DType::f16, "F16", 2}, {DType::bf16, "BF16", 2},
      {DType::i64, "I64", 8}, {DType::i32, "I32", 4},     {DType::i16, "I16", 2}, {DType::i8, "I8", 1},
      {DType::u8, "U8", 1},   {DType::boolean, "BOOL", 1}};
  for (const auto& [dtype, name, size] : rows) {
    CHECK(dtype_name(dtype) == name);
    CHECK(item_size(dtype) == size);
    CHECK(parse_dtype(name) == dtype);
  }
  for (const char* other : {"", "f32", "F8_E4M3", "U16", "F32 "}) CHECK_FALSE(parse_dtype(other));
}

TEST_CASE("counting elements never overflows", "[formats]") {
  using Shape = std::vector<std::int64_t>;
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  CHECK(numel(Shape{}) == 1);
  CHECK(numel(Shape{3, 4, 5}) == 60);
  CHECK(numel(Shape{3, 0, 5}) == 0);
  CHECK(numel(Shape{kHuge, 0}) == 0);
  CHECK(byte_size(DType::bf16, Shape{3, 5}) == 30);
  CHECK(byte_size(DType::i8, Shape{kHuge}) == static_cast<std::uint64_t>(kHuge));
  CHECK_FALSE(byte_size(DType::i16, Shape{kHuge}));
  for (const Shape& bad : {Shape{-1}, Shape{kHuge, 2}, Shape{0, kHuge, kHuge}, Shape(kMaxRank + 1, 1)}) {
    CHECK(error_of<InvalidArgument>([&] { numel(bad); }).find(shape_text(bad)) != std::string::npos);
    CHECK_FALSE(byte_size(DType::u8, bad));
  }
}

TEST_CASE("alignment is judged by the address", "[formats]") {
  alignas(8) const std::byte bytes[16] = {};
  TensorView view{"x", DType::f32, {1}, std::span(bytes).subspan(4, 4)};
  CHECK(is_aligned(view));
  view.bytes = std::span(bytes).subspan(2, 4);
  CHECK_FALSE(is_aligned(view));
  view.dtype = DType::f16;
  CHECK(is_aligned(view));
}

}  // namespace retentive::models::formats
