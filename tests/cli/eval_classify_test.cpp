#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include <cli/program.h>
#include <datasets/files.h>
#include <datasets/image_io.h>
#include <datasets/mnist.h>
#include <support/catch.h>

namespace retentive::testing {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using nlohmann::json;

/// The samples of digits in folders by class, and the built-in classifier.
class Samples {
 public:
  void add(const std::string& digit, const std::string& name) const {
    fs::create_directories(folder_ / ("set/" + name));
    for (const char* which : {"_a.png", "_b.png"}) {
      fs::copy_file(source_dir() + "/assets/samples/" + digit + which, folder_ / ("set/" + name + "/" + digit + which));
    }
  }

  ProcessResult run(const std::vector<std::string>& flags = {}) const {
    std::vector<std::string> arguments = {"eval", "classify", "--json", "--data", *this / "set"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return retentive_program(arguments);
  }

  std::string operator/(const std::string& name) const { return (folder_ / name).string(); }

 private:
  TemporaryFolder folder_;
};

json scores(const ProcessResult& result) {
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  return json::parse(result.out);
}

TEST_CASE("eval classify: some of the model's classes are matched by name") {
  const Samples samples;
  for (const char* digit : {"3", "7", "9"}) samples.add(digit, digit);
  const auto result = samples.run();
  const auto found = scores(result);
  CHECK(found["count"] == 6);
  CHECK(found["top1"] == 1.0);
  CHECK(found["classes"][7]["support"] == 2);
  CHECK(found["classes"][0]["support"] == 0);
  CHECK_THAT(result.err, Contains("7 classes of the model not in "));
}

TEST_CASE("eval classify: as many foreign names are refused, and a class map settles them") {
  const Samples samples;
  const std::vector<std::string> names = {"zero", "one", "two",   "three", "four",
                                          "five", "six", "seven", "eight", "nine"};
  json map;
  for (size_t i = 0; i < 10; ++i) {
    samples.add(std::to_string(i), names[i]);
    map[std::to_string(i)] = names[i];
  }
  const auto refused = samples.run();
  CHECK(refused.exit_code == 1);
  CHECK(refused.out.empty());
  CHECK_THAT(refused.err, Contains("10 classes of ") && Contains("--class-map FILE"));
  for (const auto& name : names) CHECK_THAT(refused.err, Contains("\"" + name + "\" (nearest: "));
  std::ofstream(samples / "map.json") << map;
  const auto found = scores(samples.run({"--class-map", samples / "map.json"}));
  CHECK(found["count"] == 20);
  CHECK(found["top1"] >= 0.95);
  map["three"] = nullptr;
  map.erase("3");
  std::ofstream(samples / "map.json") << map;
  const auto fewer = scores(samples.run({"--class-map", samples / "map.json"}));
  CHECK(fewer["count"] == 18);
  CHECK(fewer["classes"][3]["support"] == 0);
}

TEST_CASE("eval classify: rubbish beside the classes does not count") {
  const Samples samples;
  samples.add("4", "4");
  for (const char* name : {"set/__MACOSX/4/._4_a.png", "set/@eaDir/x.png", "set/4/._4_a.png", "set/4/Thumbs.db"}) {
    write_bytes(samples / name, {'x'});
  }
  CHECK(scores(samples.run())["count"] == 2);
}

}  // namespace
}  // namespace retentive::testing
