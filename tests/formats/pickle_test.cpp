#include <models/formats/pickle.h>

#include <cmath>

#include <formats/build.h>

namespace retentive::models::formats {
namespace {

using testing::as_bytes;
using testing::error_of;
using testing::le;
using testing::pickle_tensor;
using testing::pickle_text;
using Kind = PickleValue::Kind;

// The value of a protocol 2 pickle with this body.
PickleValue load(const std::string& body) {
  return load_pickle(as_bytes(std::string("\x80\x02") + body + "."), "made.pkl");
}

std::string name_of_skipped(const std::string& body) { return load(body).as_skipped().name; }

std::string global(const std::string& module, const std::string& name) {
  return std::string("c") + module + "\n" + name + "\n";
}

}  // namespace

TEST_CASE("plain pickle values are read exactly", "[formats]") {
  CHECK(load("N").is(Kind::none));
  CHECK(load("\x88").as_bool());
  CHECK_FALSE(load("\x89").as_bool());
  CHECK(load("J" + le<std::int32_t>(-70000)).as_int() == -70000);
  CHECK(load("K\xff").as_int() == 255);
  CHECK(load("M\xff\xff").as_int() == 65535);
  CHECK(load(std::string("\x8a\0", 2)).as_int() == 0);
  CHECK(load("\x8a\x01\xff").as_int() == -1);
  CHECK(load(std::string("\x8a\x02\xff\0", 4)).as_int() == 255);
  CHECK(load("\x8a\x08" + le(INT64_MIN)).as_int() == INT64_MIN);
  CHECK(load("\x8b" + le<std::int32_t>(3) + "\x01\x02\x03").as_int() == 0x030201);
  CHECK(name_of_skipped("\x8a\x09" + std::string(9, '\x7f')) == "builtins.int");
  CHECK(load(std::string("G\x3f\xb9\x99\x99\x99\x99\x99\x9a", 9)).as_double() == 0.1);
  CHECK(load("X" + le<std::uint32_t>(3) + "abc").as_string() == "abc");
  CHECK(load(std::string("\x8c\x02") + "\xc3\xbc").as_string() == "\xc3\xbc");
  CHECK(load("\x8d" + le<std::uint64_t>(1) + "z").as_string() == "z");
  CHECK(load("U\x01q").as_string() == "q");
  CHECK(load("C\x02xy").as_bytes() == PickleValue::Bytes{std::byte{'x'}, std::byte{'y'}});
  CHECK(load("\x96" + le<std::uint64_t>(1) + "b").as_bytes().size() == 1);
}

TEST_CASE("containers, marks and the memo work as in Python", "[formats]") {
  CHECK(load("]").items().empty());
  CHECK(load(")").is(Kind::tuple));
  const PickleValue list = load(
      "]q\x05(K\x01K\x02"
      "eK\x03"
      "a");
  REQUIRE(list.items().size() == 3);
  CHECK(list.items()[2].as_int() == 3);
  const PickleValue tuple = load("K\x01K\x02\x86q\x01h\x01h\x01\x87");
  REQUIRE(tuple.is(Kind::tuple));
  REQUIRE(tuple.items().size() == 3);
  CHECK(tuple.items()[2].items()[1].as_int() == 2);
  const PickleValue dict = load("}" + pickle_text("a") + "K\x01s(" + pickle_text("b") + "NK\x07K\x08u");
  REQUIRE(dict.entries().size() == 3);
  CHECK(dict.find("a")->as_int() == 1);
  CHECK(dict.find("b")->is(Kind::none));
  CHECK(dict.entries()[2].key.as_int() == 7);
  CHECK(dict.find("c") == nullptr);
  CHECK(list.find("a") == nullptr);
  CHECK(load("(K\x01K\x02"
             "d")
            .entries()[0]
            .value.as_int() == 2);
  CHECK(load("(K\x01l").is(Kind::list));
  CHECK(load("\x8f(K\x01K\x02\x90").items().size() == 2);
  CHECK(load("(K\x01\x91").is(Kind::list));
  CHECK(load("K\x01N0").as_int() == 1);
  CHECK(load("K\x01(NN1").as_int() == 1);
  CHECK(load("K\x01"
             "2\x86")
            .items()
            .size() == 2);
  CHECK(load("K\x05\x94K\x06\x94\x86h\x01\x86").items()[1].as_int() == 6);
  CHECK_THAT(error_of<InvalidArgument>([&] { list.as_string(); }), Catch::Contains("kind list, not str"));
}

TEST_CASE("calls of allowed names become data", "[formats]") {
  const std::string ordered = global("collections", "OrderedDict");
  CHECK(load(ordered + ")R}" + pickle_text("_metadata") + ordered + ")Rsb").entries().empty());
  CHECK(load(ordered + "]](K\x01K\x02" + "ea\x85R").entries()[0].value.as_int() == 2);
  CHECK(load(global("torch", "Size") + "K\x02K\x03\x86\x85R").items()[1].as_int() == 3);
  CHECK(load(global("torch", "bfloat16")).as_string() == "torch.bfloat16");
  CHECK(load(global("__builtin__", "set") + "](K\x01"
                                            "e\x85R")
            .items()
            .size() == 1);
  CHECK(load(global("_codecs", "encode") + pickle_text("a\xc3\xbf\xc2\x80") + pickle_text("latin1") + "\x86R")
            .as_bytes() == PickleValue::Bytes{std::byte{'a'}, std::byte{0xff}, std::byte{0x80}});
  CHECK(name_of_skipped(global("argparse", "Namespace") + ")\x81}" + pickle_text("lr") + "K\x01sb") ==
        "argparse.Namespace");
  CHECK(name_of_skipped(global("yacs.config", "CfgNode") + ")\x81(K\x01K\x02u") == "yacs.config.CfgNode");
  CHECK(name_of_skipped(global("copy_reg", "_reconstructor") + global("types", "SimpleNamespace") +
                        global("__builtin__", "object") + "N\x87R") == "types.SimpleNamespace");
  CHECK(name_of_skipped(global("builtins", "float")) == "builtins.float");
}

TEST_CASE("tensors keep dtype, storage, shape and strides", "[formats]") {
  const PickleValue value = load(pickle_tensor("BFloat16Storage", "12", 30, 4, {2, 3}, {1, 5}));
  const PickleTensor& tensor = value.as_tensor();
  CHECK(tensor.dtype == DType::bf16);
  CHECK(tensor.storage == "12");
  CHECK(tensor.storage_numel == 30);
  CHECK(tensor.offset == 4);
  CHECK(tensor.shape == std::vector<std::int64_t>{2, 3});
  CHECK(tensor.strides == std::vector<std::int64_t>{1, 5});
  const std::string call = pickle_tensor("LongStorage", "0", 1, 0, {}, {});
  CHECK(load("ctorch._utils\n_rebuild_parameter\n" + call + "\x88" + "ccollections\nOrderedDict\n)R\x87R")
            .as_tensor()
            .dtype == DType::i64);
  const std::string untyped = "(" + pickle_text("storage") + "ctorch.storage\nUntypedStorage\n" + pickle_text("3") +
                              pickle_text("cpu") + "K\x08tQ";
  const PickleValue v3 = load("ctorch._utils\n_rebuild_tensor_v3\n(" + untyped + "K\x01K\x02\x85K\x01\x85\x89" +
                              "ccollections\nOrderedDict\n)Rctorch\nint16\ntR");
  CHECK(v3.as_tensor().dtype == DType::i16);
  CHECK(v3.as_tensor().storage_numel == 4);
  CHECK(load(untyped).as_skipped().name == "torch.storage.UntypedStorage");
}

TEST_CASE("NumPy scalars become numbers", "[formats]") {
  for (const char* name : {"formats/numpy_protocol2.pkl", "formats/numpy_protocol4.pkl"}) {
    INFO(name);
    const std::string bytes = testing::read_file(testing::fixture(name));
    const PickleValue root = load_pickle(as_bytes(bytes), name);
    CHECK(root.find("max_accuracy")->as_double() == 82.41);
    CHECK(root.find("f4")->as_double() == 0.5);
    CHECK(root.find("f2")->as_double() == -1.5);
    CHECK(root.find("epoch")->as_int() == 299);
    CHECK(root.find("ok")->as_bool());
    CHECK(root.find("array")->as_skipped().name == "numpy.ndarray");
  }
  const auto scalar = [](const std::string& type, const std::string& order, const std::string& bytes) {
    return global("numpy.core.multiarray", "scalar") + global("numpy", "dtype") + pickle_text(type) +
           "\x89\x88\x87R(K\x03" + pickle_text(order) + "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK" +
           std::string(1, '\0') + "tbC" + static_cast<char>(bytes.size()) + bytes + "\x86R";
  };
  CHECK(load(scalar("u1", "|", "\xfe")).as_int() == 254);
  CHECK(load(scalar("i2", "<", "\xfe\xff")).as_int() == -2);
  CHECK(load(scalar("f2", "<", std::string("\x01\0", 2))).as_double() == std::ldexp(1.0, -24));
  CHECK(load(scalar("f2", "<", std::string("\0\xfc", 2))).as_double() == -INFINITY);
  CHECK(name_of_skipped(scalar("u8", "<", std::string(8, '\xff'))) == "numpy.u8");
  CHECK(name_of_skipped(scalar("U1", "<", "abcd")) == "numpy.U1");
  CHECK_THAT(error_of<CheckpointError>([&] { load(scalar("f8", ">", std::string(8, 'x'))); }),
             Catch::Contains("'f8' is big-endian"));
  CHECK_THAT(error_of<CheckpointError>([&] { load(scalar("f8", "<", "short")); }), Catch::Contains("of 5 bytes"));
}

}  // namespace retentive::models::formats
