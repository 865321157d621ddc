#include <cli/program.h>
#include <models/test_files.h>
#include <support/catch.h>
#include <nlohmann/json.hpp>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using nlohmann::json;

TEST_CASE("train, encode, decode, inspect") {
  const TemporaryFolder folder;
  const std::string text = folder.write("t.txt", "retention keeps time, retention keeps order\n");
  const std::string output = folder / "tok.json";
  const std::vector<std::string> command = {"tokenizer", "train", "--vocab-size", "270", "--output", output, text};
  auto result = retentive_program(command);
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.out, Contains("270 tokens from 1 file"));
  result = retentive_program(command);
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, StartsWith("error: [tokenizer train]") && Contains("--force"));

  result = retentive_program({"tokenizer", "encode", "--tokenizer", output, "retention keeps"});
  CHECK(result.exit_code == 0);
  const std::string ids = result.out;
  CHECK(retentive_program({"tokenizer", "encode", "--tokenizer", output, "-"}, "retention keeps").out == ids);
  CHECK(retentive_program({"tokenizer", "decode", "--tokenizer", output}, ids).out == "retention keeps\n");
  const auto pieces =
      json::parse(retentive_program({"tokenizer", "encode", "--json", "--tokenizer", output, "<|endoftext|>"}).out);
  CHECK(pieces == json({{"ids", {0}}, {"tokens", {"<|endoftext|>"}}}));
  const auto plain = json::parse(
      retentive_program({"tokenizer", "encode", "--plain", "--json", "--tokenizer", output, "<|endoftext|>"}).out);
  CHECK(plain.at("ids").size() > 3);
  const auto facts = json::parse(retentive_program({"tokenizer", "inspect", "--json", output}).out);
  CHECK(facts.at("vocab_size") == 270);
  CHECK(facts.at("eos_id") == 0);
  CHECK(retentive_program({"tokenizer", "encode", "--tokenizer", "bytes", "AB"}).out == "65 66\n");
}

TEST_CASE("wrong use of the tokenizer command") {
  const TemporaryFolder folder;
  auto result = retentive_program({"tokenizer", "decode", "--tokenizer", "bytes", "12", "x"});
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, Contains("\"x\" is no id"));
  result = retentive_program({"tokenizer", "inspect", folder / "none.json"});
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, Contains("does not exist"));
  CHECK(retentive_program({"tokenizer"}).exit_code == 2);
  result = retentive_program({"tokenizer", "trian"});
  CHECK(result.exit_code == 2);
  CHECK_THAT(result.err, Contains("\"train\""));
}

}  // namespace
}  // namespace retentive::testing
