#include <chrono>

#include <formats/build.h>
#include <models/formats/pickle.h>

namespace retentive::models::formats {
namespace {

using testing::as_bytes;
using testing::error_of;
using testing::le;
using testing::pickle_tensor;
using testing::pickle_text;

void check_refused_whole(const std::string& pickle, const std::string& expected) {
  const std::string message = error_of<CheckpointError>([&] { load_pickle(as_bytes(pickle), "made.pkl"); });
  CHECK_THAT(message, Catch::StartsWith("[pickle] made.pkl: at byte ") && Catch::Contains(expected));
  CHECK(message.size() < 1000);
}

void check_refused(const std::string& body, const std::string& expected) {
  check_refused_whole("\x80\x02" + body + ".", expected);
}

std::string repeat(const std::string& text, std::size_t times) {
  std::string result;
  result.reserve(text.size() * times);
  for (std::size_t i = 0; i < times; ++i) result += text;
  return result;
}

}  // namespace

TEST_CASE("names outside the allow-list are refused exactly as written", "[formats]") {
  const std::vector<std::pair<std::string, std::string>> names{{"posix", "system"},
                                                               {"os", "system"},
                                                               {"nt", "system"},
                                                               {"builtins", "eval"},
                                                               {"__builtin__", "eval"},
                                                               {"builtins", "exec"},
                                                               {"builtins", "getattr"},
                                                               {"subprocess", "Popen"},
                                                               {"torch.storage", "_load_from_bytes"},
                                                               {"runpy", "_run_code"},
                                                               {"importlib", "import_module"},
                                                               {"torch", "load"},
                                                               {"pickle", "loads"},
                                                               {"operator", "attrgetter"},
                                                               {"builtins", "__import__"},
                                                               {"torch", "_UnknownStorage"},
                                                               {"argparse", "Namespace.__init__"},
                                                               {"torch", "Size.__class__"}};
  for (const auto& [module, name] : names) {
    const std::string expected = "the name " + module + "." + name + " is refused";
    check_refused("c" + module + "\n" + name + "\n" + pickle_text("touch /tmp/x") + "\x85R", expected);
    check_refused(pickle_text(module) + pickle_text(name) + "\x93" + pickle_text("x") + "\x85R", expected);
    check_refused("c" + module + "\n" + name + "\n)\x81", expected);
  }
  check_refused("(" + pickle_text("x") + "ios\nsystem\n", "opcode 0x69");
  check_refused("cos\x1b[2J\nsystem\n", "the name os\\x1b[2J.system is refused");
}

TEST_CASE("allowed names take only what torch.save gives them", "[formats]") {
  check_refused("ctorch\nFloatStorage\n)R", "torch.FloatStorage is called");
  check_refused("ctorch\nfloat32\n)R", "torch.float32 is called");
  check_refused("ctorch\nComplexFloatStorage\n)R", "torch.ComplexFloatStorage is called");
  check_refused("ctorch\nuint16\n)R", "torch.uint16 is called");
  check_refused("ctorch._utils\n_rebuild_meta_tensor_no_storage\n)R", "has 0 arguments, not 4");
  check_refused("ctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nfloat32\n(J\xff\xff\xff\xfft(K\x01t\x89tR",
                "has -1 where an integer from 0 up belongs");
  check_refused("cbuiltins\nint\n" + pickle_text("1") + "\x85R", "builtins.int is called");
  check_refused("K\x01)R", "a int is called with a tuple");
  check_refused("ccollections\nOrderedDict\n]R", "a global is called with a list");
  check_refused(
      "ccollections\nOrderedDict\n](K\x01"
      "e\x85R",
      "not a pair");
  check_refused("ctorch._utils\n_rebuild_tensor_v2\n)R", "has 0 arguments, not 4 to 7");
  check_refused("ctorch._utils\n_rebuild_tensor_v2\n(NK\x01))tR", "has a none as argument 0, not a storage");
  check_refused("ctorch._utils\n_rebuild_parameter\nN\x85R", "has a none as argument 0, not a tensor");
  check_refused("ccopy_reg\n_reconstructor\nctorch\nTensor\ncbuiltins\nobject\nN\x87R", "not a skipped class");
  check_refused("c_codecs\nencode\n" + pickle_text("x") + pickle_text("rot13") + "\x86R", "codec 'rot13'");
  check_refused("c_codecs\nencode\n" + pickle_text("\xe2\x82\xac") + pickle_text("latin1") + "\x86R", "not latin1");
  check_refused("K\x01}b", "a state is given to a int");
  check_refused("ccollections\nOrderedDict\n}b", "a state is given to a global");
  check_refused("K\x01Q", "a persistent id is not");
  check_refused("(" + pickle_text("storage") + "ctorch\nSize\n" + pickle_text("0") + pickle_text("cpu") + "K\x01tQ",
                "torch.Size is used as a storage type");
  check_refused(pickle_tensor("FloatStorage", "0", -1, 0, {1}, {1}), "a persistent id is not");
  check_refused(pickle_tensor("FloatStorage", std::string(1000, 'k'), 1, 0, {1}, {1}), "a persistent id is not");
  check_refused(pickle_tensor("FloatStorage", "0", 1, -1, {1}, {1}), "has -1 where an integer from 0 up belongs");
  check_refused(pickle_tensor("FloatStorage", "0", 1, 0, {-1}, {1}), "has -1 where");
  check_refused(pickle_tensor("FloatStorage", "0", 1, 0, {1}, {-1}), "has -1 where");
  check_refused(pickle_tensor("FloatStorage", "0", 1, 0, {1, 1}, {1}), "has shape [1, 1] but strides [1]");
  const std::vector<std::int32_t> many(65, 1);
  check_refused(pickle_tensor("FloatStorage", "0", 1, 0, many, many), "a tensor of 65 dimensions");
}

TEST_CASE("lengths and structure are checked against what is there", "[formats]") {
  check_refused("\x8b\xff\xff\xff\xff", "a text of 4294967295 bytes is announced");
  check_refused("\x8d" + le(UINT64_MAX) + "x", "a text of 18446744073709551615 bytes is announced");
  check_refused("\x8e" + le(UINT64_MAX - 8) + "x", "is announced");
  check_refused("\x96" + le(INT64_MAX) + "x", "is announced");
  check_refused("\x95" + le(UINT64_MAX), "a frame leaves the pickle");
  check_refused("X\xff\xff\xff\x7f", "a text of 2147483647 bytes");
  check_refused("cos", "a name has no end");
}

TEST_CASE("opcodes take only what is there", "[formats]") {
  check_refused("0", "needs a value that is not there");
  check_refused("K\x01(0", "needs a value that is not there");
  check_refused("K\x01s", "needs a value that is not there");
  check_refused("t", "needs a mark that is not there");
  check_refused("h\x05", "memo entry 5 was never set");
  check_refused("q\x01", "needs a value that is not there");
  check_refused(
      "K\x01K\x02"
      "a",
      "items are put into a int");
  check_refused(
      ")K\x02"
      "a",
      "items are put into a tuple");
  check_refused("}(K\x01u", "a key without a value");
  check_refused(
      "(K\x01"
      "d",
      "a key without a value");
  check_refused("}(K\x01K\x02K\x01K\x03u", "the key 1 twice");
  check_refused("}(" + pickle_text("a") + "N" + pickle_text("a") + "Nu", "the key 'a' twice");
}

TEST_CASE("a pickle is one whole value of protocol 2 to 5", "[formats]") {
  check_refused("K\x01K\x02", "STOP leaves 2 values");
  check_refused("", "STOP leaves 0 values");
  check_refused("K\x01(", "STOP leaves 1 values, 1 marks");
  check_refused("N.N", "STOP leaves 1 values, 0 marks and 2 bytes");
  check_refused("\x80\x02N", "opcode 0x80");
  check_refused("P1\n", "opcode 0x50");
  check_refused("I1\n", "opcode 0x49");
  check_refused("\x82\x01", "opcode 0x82");
  check_refused_whole("N.", "pickle protocol 0");
  check_refused_whole("\x80\x01N.", "pickle protocol 1");
  check_refused_whole("\x80\x06N.", "pickle protocol 6");
  check_refused_whole("", "the pickle ends in the middle");
}

TEST_CASE("containers that hold themselves are refused", "[formats]") {
  check_refused(
      "]q\x01h\x01"
      "a",
      "a container holds itself");
  check_refused("}q\x01K\x01h\x01s", "a container holds itself");
  check_refused(
      "]q\x01(h\x01tq\x02"
      "ah\x01",
      "STOP leaves 2 values");
  check_refused(
      "]q\x01h\x01\x85"
      "a",
      "a container holds itself");
  const PickleValue dropped = load_pickle(as_bytes("\x80\x02"
                                                   "cargparse\nNamespace\n)\x81q\x01}" +
                                                   pickle_text("me") + "h\x01sb."),
                                          "made.pkl");
  CHECK(dropped.as_skipped().name == "argparse.Namespace");
}

TEST_CASE("pickles that grow without bound are refused in little time", "[formats]") {
  const auto start = std::chrono::steady_clock::now();
  check_refused("K\x01" + repeat("\x85", 129), "nested more than 128 deep");
  check_refused("K\x01" + repeat("\x85", 1000000), "nested more than 128 deep");
  check_refused("]" + repeat("]a", 1) + repeat("]", 500000) + repeat("a", 500000), "nested more than 128 deep");
  CHECK(load_pickle(as_bytes("\x80\x02K\x01" + repeat("\x85", 128) + "."), "made.pkl").items().size() == 1);
  check_refused("]q\x01" + repeat("2\x86", 100), "expands to more than 4194304 values");
  check_refused(pickle_text(std::string(1 << 20, 'x')) +
                    "q\x01"
                    "0](" +
                    repeat("h\x01", 1000) + "e",
                "expands to more than 4194304 values");
  check_refused(repeat("N", (std::size_t{1} << 22) + 1), "more than 4194304 values");
  check_refused("N" + repeat("2", (std::size_t{1} << 22) + 1), "more than 4194304 values");
  check_refused(repeat("(", (std::size_t{1} << 22) + 1), "too many marks");
  std::string memo = "N";
  for (std::uint32_t i = 0; i <= 1u << 22; ++i) memo += "r" + le(i);
  check_refused(memo, "more than 4194304 memo entries");
  check_refused(
      "Nr\xff\xff\xff\xff"
      "0",
      "STOP leaves 0 values");
  const std::string copy =
      "cbuiltins\nlist\nq\x01"
      "0](" +
      repeat("N", 100000) +
      "e\x85q\x02"
      "0";
  check_refused(copy + repeat("h\x01h\x02R0", 100), "its calls copy more than 4194304 values");
  const std::string text =
      "cbuiltins\nbytes\nq\x01"
      "0B" +
      le<std::uint32_t>(1 << 20) + std::string(1 << 20, 'x') +
      "\x85q\x02"
      "0";
  check_refused(text + repeat("h\x01h\x02R0", 100), "its calls copy more than 4194304 values");
  check_refused("cargparse\nNamespace\n(" + repeat("N", 100) + "tR", "is called with 100 arguments");
  check_refused(std::string((std::size_t{1} << 26) + 1, 'N'), "at most 67108864 are read");
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
}

TEST_CASE("a pickle cut anywhere is refused", "[formats]") {
  const std::string whole = "\x80\x02}(" + pickle_text("w") + pickle_tensor("FloatStorage", "0", 6, 0, {2, 3}, {3, 1}) +
                            pickle_text("n") + "cargparse\nNamespace\n)\x81}b\x8a\x02\x01\x02\x8c\x01zu.";
  CHECK_NOTHROW(load_pickle(as_bytes(whole), "made.pkl"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO(size);
    const std::string cut = whole.substr(0, size);
    error_of<CheckpointError>([&] { load_pickle(as_bytes(cut), "made.pkl"); });
  }
}

}  // namespace retentive::models::formats
