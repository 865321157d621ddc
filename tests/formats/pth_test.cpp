#include <models/formats/pth.h>

#include <cmath>

#include <formats/build.h>
#include <models/formats/safetensors.h>

namespace retentive::models::formats {
namespace {

using testing::as_bytes;
using testing::error_of;
using testing::fixture;
using testing::le;
using testing::pickle_tensor;
using testing::pth_image;
using testing::text_of;
using testing::values_of;
using testing::zip_image;

PthFile read(const std::string& image) { return PthFile::from_bytes(as_bytes(image), "made.pth"); }

std::string stored(const std::string& pickle_body) { return "\x80\x02" + pickle_body + "."; }

template <typename E = CheckpointError>
void check_refused(const std::string& image, const std::string& expected) {
  CHECK_THAT(error_of<E>([&] { read(image); }), Catch::Contains("made.pth") && Catch::Contains(expected));
}

void check_equals_twin(const std::string& pth, const std::string& key, const std::string& twin) {
  INFO(pth << " " << key);
  const PthFile file = PthFile::open(fixture("rmt/" + pth));
  const SafetensorsFile expected = SafetensorsFile::open(fixture("rmt/" + twin));
  REQUIRE(file.root().find(key) != nullptr);
  const PickleValue::Dict& dict = file.root().find(key)->entries();
  REQUIRE(dict.size() == expected.tensors().size());
  REQUIRE(dict.size() == 158);
  for (const PickleEntry& entry : dict) {
    const OwnedTensor tensor = file.contiguous(entry.value.as_tensor(), entry.key.as_string());
    const TensorView* twin_tensor = expected.find(tensor.view.name);
    INFO(tensor.view.name);
    REQUIRE(twin_tensor != nullptr);
    CHECK(tensor.view.dtype == twin_tensor->dtype);
    CHECK(tensor.view.shape == twin_tensor->shape);
    CHECK(text_of(tensor.view.bytes) == text_of(twin_tensor->bytes));
  }
}

}  // namespace

TEST_CASE("checkpoints equal their safetensors twins bit for bit", "[formats]") {
  check_equals_twin("ckpt_minimal.pth", "model", "ckpt_minimal.safetensors");
  check_equals_twin("ckpt_training.pth", "model", "ckpt_training.model.safetensors");
  check_equals_twin("ckpt_training.pth", "model_ema", "ckpt_training.model_ema.safetensors");
}

TEST_CASE("everything beside the weights of a training checkpoint is data", "[formats]") {
  const PthFile file = PthFile::open(fixture("rmt/ckpt_training.pth"));
  std::vector<std::string> keys;
  for (const PickleEntry& entry : file.root().entries()) keys.push_back(entry.key.as_string());
  CHECK(keys == std::vector<std::string>{"model", "optimizer", "lr_scheduler", "epoch", "model_ema", "scaler", "args",
                                         "max_accuracy"});
  CHECK(file.root().find("args")->as_skipped().name == "argparse.Namespace");
  CHECK(file.root().find("epoch")->is(PickleValue::Kind::integer));
  CHECK(file.root().find("max_accuracy")->is(PickleValue::Kind::real));
  const PickleValue& state = *file.root().find("optimizer")->find("state");
  CHECK(state.entries()[0].key.as_int() == 0);
  CHECK(state.entries()[0].value.find("exp_avg")->as_tensor().dtype == DType::f32);
}

TEST_CASE("views written by torch give the elements torch shows", "[formats]") {
  for (const char* name : {"formats/views.pth", "formats/views_protocol4.pth"}) {
    INFO(name);
    const PthFile file = PthFile::open(fixture(name));
    const PickleValue& tensors = *file.root().find("state_dict");
    const auto get = [&](const char* key) { return file.contiguous(tensors.find(key)->as_tensor(), key); };
    const auto floats = [&](const char* key) { return values_of<float>(get(key).view.bytes); };
    std::vector<float> transposed;
    for (int column = 0; column < 6; ++column) {
      for (int row = 0; row < 4; ++row) transposed.push_back(static_cast<float>(row * 6 + column));
    }
    CHECK(floats("transposed") == transposed);
    CHECK(get("transposed").view.shape == std::vector<std::int64_t>{6, 4});
    CHECK(floats("sliced") == std::vector<float>{6, 8, 10, 12, 14, 16});
    CHECK(floats("row") == std::vector<float>{12, 13, 14, 15, 16, 17});
    CHECK(floats("expanded") == std::vector<float>(6, 7));
    CHECK(get("row").view.bytes.data() == get("base").view.bytes.data() + 48);
    std::vector<std::int16_t> permuted;
    for (int k = 0; k < 4; ++k) {
      for (int ij = 0; ij < 6; ++ij) permuted.push_back(static_cast<std::int16_t>(ij * 4 + k));
    }
    CHECK(values_of<std::int16_t>(get("permuted").view.bytes) == permuted);
  }
}

TEST_CASE("every element type written by torch is read", "[formats]") {
  for (const char* name : {"formats/views.pth", "formats/views_protocol4.pth"}) {
    INFO(name);
    const PthFile file = PthFile::open(fixture(name));
    const PickleValue& tensors = *file.root().find("state_dict");
    const auto get = [&](const char* key) { return file.contiguous(tensors.find(key)->as_tensor(), key); };
    const auto floats = [&](const char* key) { return values_of<float>(get(key).view.bytes); };
    CHECK(values_of<double>(get("f64").view.bytes) ==
          std::vector<double>{0, 1.0 / 3, -1.0 / 3, 2.0 / 3, -2.0 / 3, 100.0 / 3});
    CHECK(values_of<std::uint16_t>(get("f16").view.bytes) ==
          std::vector<std::uint16_t>{0, 0x3c00, 0xbc00, 0x4000, 0xc000, 0x5640});
    CHECK(values_of<std::uint16_t>(get("bf16").view.bytes) ==
          std::vector<std::uint16_t>{0, 0x3f80, 0xbf80, 0x4000, 0xc000, 0x42c8});
    constexpr std::int64_t kTwo40 = std::int64_t{1} << 40;
    CHECK(values_of<std::int64_t>(get("i64").view.bytes) ==
          std::vector<std::int64_t>{0, kTwo40, -kTwo40, 2 * kTwo40, -2 * kTwo40, 100 * kTwo40});
    CHECK(values_of<std::int32_t>(get("i32").view.bytes) == std::vector<std::int32_t>{0, 1, -1, 2, -2, 100});
    CHECK(values_of<std::int8_t>(get("i8").view.bytes) == std::vector<std::int8_t>{0, 1, -1, 2, -2, 100});
    CHECK(values_of<std::uint8_t>(get("u8").view.bytes) == std::vector<std::uint8_t>{0, 1, 255});
    CHECK(values_of<std::uint8_t>(get("boolean").view.bytes) == std::vector<std::uint8_t>{1, 0, 1});
    CHECK(get("boolean").view.dtype == DType::boolean);
    CHECK(floats("scalar") == std::vector<float>{-2.5});
    CHECK(get("scalar").view.shape.empty());
    CHECK(get("empty").view.bytes.empty());
    CHECK(get("empty").view.shape == std::vector<std::int64_t>{0, 3});
    CHECK(floats("parameter") == std::vector<float>{1.5, -1.5});
  }
}

TEST_CASE("values beside tensors written by torch are data", "[formats]") {
  for (const char* name : {"formats/views.pth", "formats/views_protocol4.pth"}) {
    INFO(name);
    const PickleValue root = PthFile::open(fixture(name)).root();
    CHECK(root.find("args")->as_skipped().name == "argparse.Namespace");
    CHECK(root.find("dtype")->as_string() == "torch.bfloat16");
    CHECK(root.find("size")->items()[1].as_int() == 3);
    CHECK(root.find("device")->as_skipped().name == "torch.device");
    CHECK(root.find("set")->items()[0].as_int() == 5);
    CHECK(root.find("untyped")->as_skipped().name == "torch.storage.UntypedStorage");
    const PickleValue::Items& numbers = root.find("numbers")->items();
    REQUIRE(numbers.size() == 8);
    CHECK(numbers[0].as_bool());
    CHECK(numbers[1].is(PickleValue::Kind::none));
    CHECK(numbers[2].as_int() == -1);
    CHECK(numbers[3].as_int() == std::int64_t{1} << 40);
    CHECK(numbers[4].as_skipped().name == "builtins.int");
    CHECK(numbers[5].as_double() == 0.1);
    CHECK(numbers[6].as_bytes() == PickleValue::Bytes{std::byte{0}, std::byte{255}});
    CHECK(numbers[7].as_string() == "gr\u00fc\u00df");
  }
  const PthFile file = PthFile::open(fixture("formats/no_checksums.pth"));
  CHECK_FALSE(file.archive().has_checksums());
  CHECK(values_of<float>(file.contiguous(file.root().find("a")->as_tensor(), "a").view.bytes) ==
        std::vector<float>{0, 1, 2});
}

TEST_CASE("views must lie inside their storage", "[formats]") {
  const auto image = [](const std::string& tensor, const std::string& data = std::string(24, 'd')) {
    return pth_image(stored(tensor), {{"x/data/0", data}});
  };
  const auto floats = [](std::int32_t offset, const std::vector<std::int32_t>& shape,
                         const std::vector<std::int32_t>& strides) {
    return pickle_tensor("FloatStorage", "0", 6, offset, shape, strides);
  };
  CHECK_NOTHROW(read(image(floats(0, {2, 3}, {3, 1}))));
  CHECK_NOTHROW(read(image(floats(5, {}, {}))));
  CHECK_NOTHROW(read(image(floats(6, {0}, {1}))));
  check_refused(image(floats(1, {2, 3}, {3, 1})),
                "offset 1, F32, in storage '0' needs 7 elements but the storage has 6");
  check_refused(image(floats(6, {}, {})), "needs 7 elements");
  check_refused(image(floats(7, {0}, {1})), "needs 7 elements");
  check_refused(image(floats(0, {2}, {6})), "needs 7 elements");
  check_refused(image(floats(0, {INT32_MAX, INT32_MAX, INT32_MAX}, {0, 0, 0})), "needs more than 2^63");
  check_refused(image(floats(0, {INT32_MAX, 1000}, {0, 0})), "expanded views of this size are not read");
  check_refused(image(floats(0, {2, 3}, {3, 1}), std::string(23, 'd')),
                "'x/data/0' has 23 bytes but the pickle says 6");
  check_refused(image(pickle_tensor("FloatStorage", "1", 6, 0, {6}, {1})), "has no member 'x/data/1'");
  check_refused(image("ccollections\nOrderedDict\n)R(" + floats(7, {}, {}) + "Nu"), "needs 8 elements");
}

TEST_CASE("a damaged storage is found when it is used", "[formats]") {
  testing::ZipMember member{"x/data/0", "123456789012"};
  member.crc_change = 1;
  const std::string image = pth_image(stored(pickle_tensor("IntStorage", "0", 3, 0, {3}, {1})), {member});
  const PthFile file = read(image);
  CHECK_THAT(error_of<CheckpointError>([&] { file.contiguous(file.root().as_tensor(), "t"); }),
             Catch::Contains("'x/data/0' has CRC-32"));
  PickleTensor beyond = file.root().as_tensor();
  beyond.offset = 1;
  CHECK_THAT(error_of<CheckpointError>([&] { file.contiguous(beyond, "t"); }), Catch::Contains("needs 4 elements"));
}

TEST_CASE("archives that are no plain checkpoint are refused by kind", "[formats]") {
  const auto open = [](const char* name) { return [name] { PthFile::open(fixture(name)); }; };
  CHECK_THAT(error_of<Unsupported>(open("formats/legacy.pth")),
             Catch::Contains("legacy.pth: is a bare pickle") &&
                 Catch::Contains("torch.save(torch.load(f, weights_only=True), f)"));
  CHECK_THAT(error_of<Unsupported>(open("formats/torchscript.pt")), Catch::Contains("TorchScript archive"));
  check_refused<Unsupported>(std::string(257, 'n') + "ustar", "is a tar file");
  check_refused<Unsupported>(zip_image({{"x/data.pkl", "N"}, {"x/constants.pkl", "N"}}), "'x/constants.pkl'");
  check_refused("", "is empty");
  check_refused("<!DOCTYPE html>", "starts with '<!DOCTYPE html>'");
  check_refused(zip_image({{"x/data", "N"}}), "without */data.pkl");
  check_refused(zip_image({{"data.pkl", stored("N")}}), "without */data.pkl");
  check_refused(zip_image({{"x/data.pkl", stored("N")}, {"y/data.pkl", stored("N")}}), "two pickles");
  check_refused(zip_image({{"x/data.pkl", stored("N")}, {"x/byteorder", "big"}}), "byte order 'big'");
  check_refused(zip_image({{"x/data.pkl", stored("N"), false, 0, 8}}), "compressed (method 8)");
  check_refused(pth_image(stored("cposix\nsystem\n" + testing::pickle_text("true") + "\x85R")), "posix.system");
  CHECK(read(zip_image({{"any name/data.pkl", stored("N")}})).root().is(PickleValue::Kind::none));
}

TEST_CASE("a checkpoint cut anywhere is refused", "[formats]") {
  const std::string whole = testing::read_file(fixture("formats/no_checksums.pth"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO(size);
    const std::string cut = whole.substr(0, size);
    error_of<CheckpointError>([&] { read(cut); });
  }
}

TEST_CASE("tensors of kinds that are not read are skipped by name", "[formats]") {
  const PthFile file = PthFile::open(fixture("formats/foreign.pth"));
  const auto& root = file.root();
  CHECK(values_of<float>(file.contiguous(root.find("weight")->as_tensor(), "weight").view.bytes) ==
        std::vector<float>{1, 2, 3});
  const auto type = [&](const char* key) {
    const auto& skipped = root.find(key)->as_skipped();
    CHECK(skipped.tensor);
    return skipped.name;
  };
  CHECK(type("complex64") == "torch.ComplexFloat [2, 3]");
  CHECK(type("conjugate") == "torch.ComplexDouble [2]");
  CHECK(type("uint16") == "torch.uint16 [4]");
  CHECK(type("uint64") == "torch.uint64 [4]");
  CHECK(type("float8") == "torch.float8_e4m3fn [4]");
  CHECK(type("meta") == "meta torch.float32 [5, 6]");
  CHECK(type("parameter") == "meta torch.float32 [2]");
  CHECK(type("sparse") == "torch._utils._rebuild_sparse_tensor");
  CHECK(type("csr") == "torch._utils._rebuild_sparse_tensor");
  CHECK(type("quantised") == "torch._utils._rebuild_qtensor");
  CHECK(type("channels") == "torch._utils._rebuild_qtensor");
  CHECK(type("nested") == "torch._utils._rebuild_nested_tensor");
}

}  // namespace retentive::models::formats
