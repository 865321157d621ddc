#include <models/class_match.h>

#include <models/test_files.h>
#include <retention/base/error.h>
#include <support/catch.h>

namespace retentive::models {
namespace {

using Catch::Contains;
using testing::message_of;
using testing::TemporaryFolder;
using Names = std::vector<std::string>;
using Places = std::vector<int64_t>;

const Names kModel = {"ant", "bee", "cat", "dog"};

ClassMatch match(const Names& set, ClassMatchOptions options = {}, const Names& model = kModel) {
  options.where = "test";
  options.set = "set.json";
  options.flag = "--class-map FILE";
  return match_classes(model, 4, set, options);
}

TEST_CASE("classes are matched by name, whatever their order", "[class_match]") {
  const auto same = match(kModel);
  CHECK(same.set_class == Places{0, 1, 2, 3});
  CHECK(same.notes.empty());
  const auto turned = match({"dog", "cat", "bee", "ant"});
  CHECK(turned.set_class == Places{3, 2, 1, 0});
  CHECK(turned.model_class == Places{3, 2, 1, 0});
  CHECK(turned.notes.empty());
  const auto part = match({"dog", "ant"});
  CHECK(part.set_class == Places{1, -1, -1, 0});
  CHECK(part.model_class == Places{3, 0});
  REQUIRE(part.notes.size() == 1);
  CHECK_THAT(part.notes[0], Contains("2 classes of the model") && Contains("\"bee\", \"cat\""));
}

TEST_CASE("names that do not match are listed with the nearest", "[class_match]") {
  const auto message = message_of<DataError>([] { match({"ant", "bea", "unicorn"}); });
  CHECK_THAT(message, Contains("[test] 2 classes of set.json") && Contains("\"bea\" (nearest: \"bee\")") &&
                          Contains("\"unicorn\" (nearest: ") && Contains("--class-map FILE") &&
                          Contains("{\"bee\": \"bea\"}"));
  CHECK_THAT(message, !Contains("\"ant\""));
  // As many foreign names as the model has classes are not ours.
  const auto foreign = message_of<DataError>([] { match({"x1", "x2", "x3", "x4"}); });
  for (const char* name : {"\"x1\"", "\"x2\"", "\"x3\"", "\"x4\""}) CHECK_THAT(foreign, Contains(name));
  CHECK_THAT(message_of<DataError>([] { match({"Ant"}); }), Contains("\"Ant\" (nearest: \"ant\")"));
}

TEST_CASE("classes without an example need no class of the model", "[class_match]") {
  ClassMatchOptions options;
  options.used = {true, false};
  const auto found = match({"cat", "animals"}, options);
  CHECK(found.model_class == Places{2, -1});
  CHECK_THAT(found.notes.at(0), Contains("\"animals\""));
  options.used = {false, true};
  CHECK_THAT(message_of<DataError>([&] { match({"cat", "animals"}, options); }), Contains("\"animals\""));
  options.used = {false, false};
  CHECK_THAT(message_of<DataError>([&] { match({"katze", "hund"}, options); }), Contains("\"katze\""));
}

TEST_CASE("a class map renames classes and leaves them out", "[class_match]") {
  ClassMatchOptions options;
  options.map = {{"ant", "bee"}, {"bee", "ant"}, {"cat", std::nullopt}, {"unicorn", std::nullopt}};
  const auto found = match({"ant", "bee", "cat", "unicorn"}, options);
  CHECK(found.set_class == Places{1, 0, -1, -1});
  CHECK(found.model_class == Places{1, 0, -1, -1});
  CHECK(found.left_out == std::vector<bool>{false, false, true, true});
  options.map = {{"ant", "insect"}, {"bee", "insect"}};
  CHECK(match({"insect"}, options).set_class == Places{0, 0, -1, -1});
  options.one_to_one = true;
  CHECK_THAT(message_of<DataError>([&] { match({"insect"}, options); }),
             Contains("\"ant\" and \"bee\" both stand for \"insect\""));
  options.map = {{"aunt", "insect"}};
  CHECK_THAT(message_of<DataError>([&] { match({"insect"}, options); }),
             Contains("\"aunt\"") && Contains("nearest: \"ant\""));
  options.map = {{"ant", "insekt"}};
  CHECK_THAT(message_of<DataError>([&] { match({"insect"}, options); }),
             Contains("\"insekt\"") && Contains("nearest: \"insect\""));
  options.map = {{"insect", std::nullopt}};
  CHECK_THAT(message_of<DataError>([&] { match({"insect"}, options); }), Contains("leaves out every class"));
}

TEST_CASE("a name that stands twice is refused, unless both lists are the same", "[class_match]") {
  CHECK_THAT(message_of<DataError>([] { match({"ant", "cat", "ant"}); }), Contains("\"ant\" is the name of 2 classes"));
  const Names twice = {"crane", "dog", "crane", "cat"};
  CHECK_THAT(message_of<DataError>([&] { match({"dog", "crane"}, {}, twice); }), Contains("2 classes of the model"));
  CHECK(match({"dog", "cat"}, {}, twice).model_class == Places{1, 3});
  CHECK(match(twice, {}, twice).model_class == Places{0, 1, 2, 3});
}

TEST_CASE("a model without names is matched by position, and that is said", "[class_match]") {
  const auto found = match({"w", "x", "y", "z"}, {}, {});
  CHECK(found.model_class == Places{0, 1, 2, 3});
  CHECK_THAT(found.notes.at(0), Contains("no class names") && Contains("--labels FILE"));
  CHECK_THAT(message_of<DataError>([] { match({"x", "y"}, {}, {}); }), Contains("4 classes") && Contains("has 2"));
  ClassMatchOptions options;
  options.map = {{"0", "y"}, {"3", "x"}};
  CHECK(match({"x", "y"}, options, {}).set_class == Places{1, -1, -1, 0});
}

TEST_CASE("class maps are read as JSON, TSV and CSV", "[class_match]") {
  const TemporaryFolder folder;
  const ClassMap expected = {{"ant", "Ameise"}, {"bee, wild", "Biene"}, {"cat", std::nullopt}};
  const auto read = [&](const std::string& name, const std::string& text) {
    return read_class_map(folder.write(name, text));
  };
  // In parentheses: maps of optional names cannot be printed.
  CHECK((read("m.json", "\xEF\xBB\xBF{\"ant\": \"Ameise\", \"bee, wild\": \"Biene\", \"cat\": null}") == expected));
  const std::string mark = "\xEF\xBB\xBF";
  CHECK((read("m.tsv", mark + "ant\tAmeise\r\n\r\nbee, wild\tBiene\r\ncat\t\r\n") == expected));
  CHECK((read("m.csv", "ant, Ameise\ncat,\n") == ClassMap{{"ant", "Ameise"}, {"cat", std::nullopt}}));
  const auto refusal = [&](const std::string& text) {
    return message_of<DataError>([&] { read_class_map(folder.write("x", text)); });
  };
  CHECK_THAT(refusal("ant\n"), Contains("line 1") && Contains("tab or comma"));
  CHECK_THAT(refusal("a,b,c\n"), Contains("line 1"));
  CHECK_THAT(refusal("a,b\na,c\n"), Contains("\"a\" occurs twice"));
  CHECK_THAT(refusal("{\"a\": 3}"), Contains("\"a\" is 3"));
  CHECK_THAT(refusal("\n"), Contains("no classes"));
}

}  // namespace
}  // namespace retentive::models
