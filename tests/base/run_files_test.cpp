#include <retention/base/run_files.h>

#include <sys/stat.h>

#include <filesystem>
#include <string>

#include <datasets/files.h>
#include <support/catch.h>

namespace retentive {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using testing::message_of;
using testing::TemporaryFolder;
using testing::write_bytes;

std::string refusal(const std::vector<fs::path>& inputs, const std::vector<fs::path>& outputs) {
  return message_of<InvalidArgument>([&] {
    RunFiles files("test");
    files.read_all(inputs);
    for (const auto& output : outputs) files.write("--out", output);
    files.check();
  });
}

TEST_CASE("an output that is an input is refused by any name", "[output]") {
  const TemporaryFolder folder;
  const auto input = folder / "data/in.txt";
  write_bytes(input, {'x'});
  fs::create_hard_link(input, folder / "hard");
  fs::create_symlink("data/in.txt", folder / "soft");
  fs::create_directory_symlink("data", folder / "linked");
  for (const char* output : {"data/in.txt", "data/../data/./in.txt", "hard", "soft", "linked/in.txt"}) {
    CHECK_THAT(refusal({input}, {folder / output}), Contains("same file as " + input.string()) && Contains("--out"));
  }
  CHECK_THAT(refusal({folder / "soft"}, {input}), Contains("soft, which is read"));
  CHECK_THAT(refusal({folder / "data"}, {folder / "hard"}), Contains("in.txt, which is read"));  // a folder's files
  CHECK(refusal({input, "", "/dev/null", folder / "none"}, {folder / "other", "", "/dev/null"}) == "nothing thrown");
}

TEST_CASE("two outputs are two files, also before they are made", "[output]") {
  const TemporaryFolder folder;
  fs::create_directories(folder / "a");
  fs::create_directory_symlink("a", folder / "b");
  fs::create_symlink("a/new", folder / "dangling");
  CHECK_THAT(refusal({}, {folder / "a/new", folder / "b/new"}), Contains("are the same file"));
  CHECK_THAT(refusal({}, {folder / "a/new", folder / "dangling"}), Contains("are the same file"));
  CHECK_THAT(refusal({}, {folder / "a/new", folder / "a/../a/new"}), Contains("are the same file"));
  CHECK(refusal({}, {folder / "a/new", folder / "a/newer", "/dev/null", "/dev/null"}) == "nothing thrown");
  RunFiles files("test");
  files.write_below("--out", folder / "made", {"sub/one", "two"});
  CHECK_THAT(message_of<InvalidArgument>([&] { files.write_below("--more", folder / "a/../made/sub", {"one"}); }),
             Contains("are the same file"));
  CHECK_FALSE(fs::exists(folder / "made"));
}

TEST_CASE("outputs that cannot be written are refused with the inputs unread", "[output]") {
  const TemporaryFolder folder;
  const auto message = [&](const fs::path& output) {
    return message_of<DataError>([&] { RunFiles("test").write("--out", output); });
  };
  CHECK_THAT(message(folder.path()), Contains("[test]") && Contains("Is a directory"));
  CHECK_THAT(message(folder / "none/a"), Contains("No such file or directory"));
  fs::create_directories(folder / "out/a.png");
  CHECK_THAT(message_of<DataError>([&] {
               RunFiles("test").write_below("--out", folder / "out", {"a.png", "b.png"});
             }),
             Contains("a.png") && Contains("Is a directory"));
}

}  // namespace
}  // namespace retentive
