#include <array>
#include <optional>
#include <string>
#include <vector>

#include <models/config.h>
#include <models/config_json.h>
#include <models/labels.h>
#include <models/nearest.h>
#include <models/sha256.h>
#include <models/test_files.h>
#include <retention/base/error.h>
#include <support/catch.h>
#include <support/paths.h>

namespace retentive::models {
namespace {

using Catch::Matchers::Contains;
using testing::message_of;

struct Inner {
  double rate = 0.5;
  std::array<int64_t, 2> size = {1, 2};

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("rate", self.rate, "a rate");
    f("size", self.size, "a size");
  }
};

struct Outer {
  int64_t count = 3;
  int8_t small = 4;
  bool flag = false;
  std::string text = "t";
  std::vector<bool> flags = {true};
  std::optional<double> maybe;
  DecayMode mode = DecayMode::release;
  Inner inner;
  ModelConfig model;

  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("count", self.count, "how many");
    f("small", self.small, "a small number");
    f("flag", self.flag, "a switch");
    f("text", self.text, "some text");
    f("flags", self.flags, "switches");
    f("maybe", self.maybe, "may be absent");
    f("mode", self.mode, "which decay");
    f("inner", self.inner, "a section");
    f("model", self.model, "a model");
  }
};

Outer read_outer(const std::string& text) {
  Outer outer;
  read_json_fields(parse_json(text, "run.json"), outer, "run.json");
  return outer;
}

TEST_CASE("nearest_name counts edits and swaps") {
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("depths", "dephts") == 1);
  const std::vector<std::string> names = {"depths", "num_heads", "head"};
  CHECK(nearest_name("dephts", names) == "depths");
  CHECK(nearest_name("haed", names) == "head");
  CHECK(nearest_name("num_head", names) == "num_heads");
  CHECK(nearest_name("x", {}).empty());
}

TEST_CASE("every kind of field survives JSON") {
  const Outer outer = read_outer(R"({"count": -9007199254740993, "small": -128, "flag": true, "text": "é\n",
    "flags": [false, true, false], "maybe": 0.125, "mode": "paper", "inner": {"rate": 1, "size": [7, 8]},
    "model": {"family": "rmt", "num_classes": 7}})");
  CHECK(outer.count == -9007199254740993);
  CHECK(outer.small == -128);
  CHECK(outer.flag);
  CHECK(outer.text == "é\n");
  CHECK(outer.flags == std::vector<bool>{false, true, false});
  CHECK(outer.maybe == 0.125);
  CHECK(outer.mode == DecayMode::paper);
  CHECK(outer.inner.rate == 1.0);
  CHECK(outer.inner.size == std::array<int64_t, 2>{7, 8});
  CHECK(num_classes(outer.model) == 7);
  const std::string text = to_json_value(outer).dump();
  CHECK(to_json_value(read_outer(text)).dump() == text);
  CHECK_FALSE(read_outer(R"({"maybe": null})").maybe);
  CHECK(read_outer("{}").count == 3);
}

TEST_CASE("wrong values and keys name themselves and the fix") {
  const auto fails = [](const std::string& text) { return message_of<ConfigError>([&text] { read_outer(text); }); };
  CHECK_THAT(fails(R"({"cuont": 1})"), Contains("[run.json]") && Contains("\"cuont\"") && Contains("mean \"count\""));
  CHECK_THAT(fails(R"({"inner": {"rat": 1}})"), Contains("section \"inner\"") && Contains("mean \"rate\""));
  CHECK_THAT(fails(R"({"model": {"family": "rmt", "depth": 1}})"), Contains("\"model\"") && Contains("\"depths\""));
  CHECK_THAT(fails(R"({"count": 1.5})"), Contains("count is 1.5") && Contains("an integer"));
  CHECK_THAT(fails(R"({"count": 9223372036854775808})"),
             Contains("count is 9223372036854775808") && Contains("to 9223372036854775807"));
  CHECK_THAT(fails(R"({"small": 128})"), Contains("small is 128"));
  CHECK_THAT(fails(R"({"flag": 1})"), Contains("flag is 1") && Contains("true | false"));
  CHECK_THAT(fails(R"({"text": 1})"), Contains("text is 1"));
  CHECK_THAT(fails(R"({"flags": [true, 0]})"), Contains("flags[1] is 0"));
  CHECK_THAT(fails(R"({"mode": "papre"})"), Contains("\"papre\"") && Contains("\"release\" | \"paper\""));
  CHECK_THAT(fails(R"({"inner": {"size": [1]}})"), Contains("inner.size is [1]") && Contains("2 values"));
  CHECK_THAT(fails(R"({"inner": 3})"), Contains("inner is 3"));
  CHECK_THAT(fails(R"({"inner": {"rate": 1e999}})"), Contains("[run.json]"));
  CHECK_THAT(fails(R"({"count": 1, "count": 2})"), Contains("\"count\" occurs twice"));
  CHECK_THAT(fails("[1, 2]"), Contains("an object in braces"));
  CHECK_THAT(fails("{\"count\": 1,}"), Contains("not valid JSON"));
  CHECK_THAT(fails("{} // x"), Contains("not valid JSON"));
  CHECK_THAT(fails("\"\xff\""), Contains("not valid JSON"));
  CHECK_THAT(fails(std::string(100000, '[')), Contains("deeper than 64"));
}

TEST_CASE("help lists every field once with its default") {
  const std::string help = config_help("rmt");
  for (const auto& name : field_names<vision::RmtConfig>()) {
    CHECK_THAT("\n" + help, Contains("\n" + name + " "));
  }
  CHECK_THAT(help, Contains("(default [64,128,256,512])"));
  CHECK_THAT(message_of<ConfigError>([] { config_help("rnt"); }), Contains("\"rnt\"") && Contains("\"rmt\""));
}

TEST_CASE("model configurations are selected by family and validated") {
  vision::RmtConfig config;
  config.depths = {1, 2, 3, 4};
  config.decomposed = {false, true, false, true};
  config.head = vision::RmtHead::token_label;
  config.layer_scale_init = 1e-5;
  const ModelConfig model = config;
  CHECK(family_name(model) == "rmt");
  CHECK(parse_model_config(model_config_json(model), "x") == model);
  CHECK(parse_model_config(model_config_json(model, 2), "x") == model);
  const auto fails = [](const char* text) {
    return message_of<ConfigError>([text] { parse_model_config(text, "m.json"); });
  };
  CHECK_THAT(fails("{}"), Contains("[m.json]") && Contains("\"family\" is missing"));
  CHECK_THAT(fails(R"({"family": "swin"})"), Contains("family is \"swin\"") && Contains("\"rmt\""));
  CHECK_THAT(fails(R"({"family": "rmt", "depths": [1, 2, 3]})"), Contains("[m.json]") && Contains("depths has 3"));
  CHECK_THAT(message_of<ConfigError>([] { read_model_config("/nowhere/m.json"); }), Contains("/nowhere/m.json"));
  const auto differences = config_differences(model, vision::RmtConfig{});
  REQUIRE(differences.size() == 4);
  CHECK(differences[0].name == "depths");
  CHECK(differences[0].left == "[1,2,3,4]");
  CHECK(differences[0].right == "[2,2,8,2]");
  CHECK(config_differences(model, model).empty());
}

TEST_CASE("preprocessing round-trips and is validated") {
  vision::Preprocessing digits;
  digits.resize_shorter = 28;
  digits.crop = {28, 30};
  digits.interpolation = vision::Interpolation::bilinear;
  digits.mean = {0.1307};
  digits.std = {0.3081};
  CHECK(parse_preprocessing(preprocessing_json(digits), "x") == digits);
  const auto fails = [](const char* text) {
    return message_of<ConfigError>([text] { parse_preprocessing(text, "p.json"); });
  };
  CHECK_THAT(fails(R"({"crop": [0, 4]})"), Contains("crop has the side 0"));
  CHECK_THAT(fails(R"({"resize_shorter": 0})"), Contains("resize_shorter is 0"));
  CHECK_THAT(fails(R"({"mean": [0.5]})"), Contains("mean has 1 and std has 3"));
  CHECK_THAT(fails(R"({"std": [1, 1, 0]})"), Contains("std has the value 0"));
}

TEST_CASE("label sets and label files") {
  CHECK(label_set("digits") == std::vector<std::string>{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"});
  CHECK(label_set("").empty());
  CHECK_THAT(message_of<ConfigError>([] { label_set("lvis"); }), Contains("\"lvis\"") && Contains("imagenet1k"));
  const testing::TemporaryFolder folder;
  const auto path = folder.write("labels.txt", "cat\r\ndog\n\n");
  CHECK(read_labels(path) == std::vector<std::string>{"cat", "dog"});
  const auto marked = read_labels(testing::source_dir() + "/tests/fixtures/cases/other/labels_bom.txt");
  REQUIRE(marked.size() == 10);
  CHECK(marked[0] == "zero");
  CHECK(marked[9] == "nine");
  CHECK(read_config_text(folder.write("marked.json", "\xEF\xBB\xBF{}")) == "{}");
  CHECK_THAT(message_of<DataError>([&] { read_labels(folder.write("gap.txt", "a\n\nb\n")); }), Contains("line 2"));
  CHECK_THAT(message_of<DataError>([&] { read_labels(folder.write("bad.txt", "a\n\xff\n")); }), Contains("UTF-8"));
  CHECK_THAT(message_of<DataError>([&] { read_labels(folder.write("none.txt", "")); }), Contains("no class names"));
  CHECK_THROWS_AS(read_labels(folder.path()), DataError);
}

TEST_CASE("SHA-256 gives the published test vectors") {
  const auto hash = [](const std::string& text) { return sha256_hex(std::as_bytes(std::span(text))); };
  CHECK(hash("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(hash(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  const testing::TemporaryFolder folder;
  CHECK(sha256_file(folder.write("x", "abc")) == hash("abc"));
  CHECK_THROWS_AS(sha256_file("/nowhere/x"), CheckpointError);
}

}  // namespace
}  // namespace retentive::models
