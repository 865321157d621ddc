#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include <formats/build.h>
#include <models/formats/safetensors.h>

namespace retentive::models::formats {
namespace {

using testing::as_bytes;
using testing::error_of;
using testing::read_file;
using testing::TemporaryDirectory;
using testing::text_of;

constexpr DType kAll[] = {DType::u8,  DType::boolean, DType::f16, DType::f32, DType::f64,
                          DType::i64, DType::bf16,    DType::i8,  DType::i32, DType::i16};

}  // namespace

TEST_CASE("every element type survives a round trip, aligned to its size", "[formats]") {
  const TemporaryDirectory directory;
  std::vector<std::string> contents;
  std::vector<TensorView> tensors;
  for (const DType dtype : kAll) {
    std::string content;
    for (std::size_t i = 0; i < 3 * item_size(dtype); ++i) content += static_cast<char>(0x80 + 7 * i + contents.size());
    contents.push_back(content);
  }
  for (std::size_t i = 0; i < contents.size(); ++i) {
    tensors.push_back({std::string(dtype_name(kAll[i])), kAll[i], {3, 1}, as_bytes(contents[i])});
  }
  tensors.push_back({"scalar", DType::i8, {}, as_bytes("s")});
  tensors.push_back({"empty \"\\\u00fc", DType::f64, {2, 0}, {}});
  const Metadata metadata{{"config", "{\"family\":\"rmt\"}"}, {"lines", "a\nb\t\u00fc"}};
  write_safetensors(directory / "all.safetensors", tensors, metadata);
  CHECK(directory.files() == 1);
  const SafetensorsFile file = SafetensorsFile::open(directory / "all.safetensors");
  CHECK(file.metadata() == metadata);
  CHECK(file.owner() != nullptr);
  REQUIRE(file.tensors().size() == tensors.size());
  for (const TensorView& given : tensors) {
    INFO(given.name);
    const TensorView* found = file.find(given.name);
    REQUIRE(found != nullptr);
    CHECK(found->dtype == given.dtype);
    CHECK(found->shape == given.shape);
    CHECK(text_of(found->bytes) == text_of(given.bytes));
    CHECK(is_aligned(*found));
  }
}

TEST_CASE("the written file is the one the format's own writer makes", "[formats]") {
  const TemporaryDirectory directory;
  const std::vector<TensorView> tensors{{"b", DType::u8, {3}, as_bytes("xyz")},
                                        {"w", DType::f32, {1}, as_bytes("1234")},
                                        {"a", DType::u8, {}, as_bytes("q")}};
  write_safetensors(directory / "m", tensors, {{"format", "pt"}});
  std::string header =
      "{\"__metadata__\":{\"format\":\"pt\"},\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
      "\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[4,7]},\"a\":{\"dtype\":\"U8\",\"shape\":[],"
      "\"data_offsets\":[7,8]}}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  CHECK(read_file(directory / "m") == testing::safetensors_image(header, "1234xyzq"));
  write_safetensors(directory / "none", {});
  CHECK(read_file(directory / "none") == testing::safetensors_image("{}      ", ""));
}

TEST_CASE("a file that is replaced keeps its old views alive", "[formats]") {
  const TemporaryDirectory directory;
  const auto write = [&](const char* text) {
    const std::vector<TensorView> tensors{{"t", DType::u8, {4}, as_bytes(text)}};
    write_safetensors(directory / "m", tensors);
  };
  write("old!");
  SafetensorsFile opened = SafetensorsFile::open(directory / "m");
  const SafetensorsFile moved = std::move(opened);
  write("new!");
  CHECK(text_of(moved.find("t")->bytes) == "old!");
  CHECK(text_of(SafetensorsFile::open(directory / "m").find("t")->bytes) == "new!");
  std::shared_ptr<const void> owner;
  std::span<const std::byte> bytes;
  {
    const SafetensorsFile file = SafetensorsFile::open(directory / "m");
    owner = file.owner();
    bytes = file.find("t")->bytes;
  }
  CHECK(text_of(bytes) == "new!");
  CHECK(directory.files() == 1);
}

TEST_CASE("what cannot be written is refused before any file is made", "[formats]") {
  const TemporaryDirectory directory;
  const auto error = [&](const std::vector<TensorView>& tensors, const Metadata& metadata = {}) {
    return error_of<InvalidArgument>([&] { write_safetensors(directory / "m", tensors, metadata); });
  };
  const TensorView good{"a", DType::u8, {2}, as_bytes("xy")};
  CHECK_THAT(error({good, good}), Catch::Contains("two tensors are named 'a'"));
  CHECK_THAT(error({{"a", DType::f32, {2}, as_bytes("xy")}}),
             Catch::Contains("tensor 'a' has 2 bytes but shape [2] of F32 needs 8"));
  CHECK_THAT(error({{"a", DType::f32, {-2}, {}}}), Catch::Contains("shape [-2]"));
  CHECK_THAT(error({{"__metadata__", DType::u8, {2}, as_bytes("xy")}}), Catch::Contains("reserves"));
  CHECK_THAT(error({{"\xff", DType::u8, {2}, as_bytes("xy")}}), Catch::Contains("'\\xff' is not UTF-8"));
  CHECK_THAT(error({good}, {{"k", "\xc3"}}), Catch::Contains("'\\xc3' is not UTF-8"));
  CHECK(directory.files() == 0);
}

TEST_CASE("a write that fails leaves nothing behind and names the reason", "[formats]") {
  const TemporaryDirectory directory;
  const std::string content(1 << 20, 'x');
  const std::vector<TensorView> tensors{{"a", DType::u8, {1 << 20}, as_bytes(content)}};
  const auto error = [&](const std::string& name) {
    return error_of<CheckpointError>([&] { write_safetensors(directory / name, tensors); });
  };
  CHECK_THAT(error("absent/m"),
             Catch::Contains("absent/m: a temporary file in") && Catch::Contains("No such file or directory"));
  std::filesystem::create_directory(directory / "taken");
  CHECK_THAT(error("taken"), Catch::Contains("taken: cannot be put in place (Is a directory)"));
  std::filesystem::remove(directory / "taken");

  write_safetensors(directory / "kept", {});
  const std::string before = read_file(directory / "kept");
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
  const rlimit small{4096, limit.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string message = error("kept");
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  std::signal(SIGXFSZ, handler);
  CHECK_THAT(message, Catch::Contains("kept: cannot be written (File too large)"));
  CHECK(read_file(directory / "kept") == before);
  CHECK(directory.files() == 1);
}

}  // namespace retentive::models::formats
