#include <retention/base/output_folder.h>

#include <filesystem>
#include <fstream>
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

void fill(const fs::path& folder, const std::vector<std::string>& names, bool replace = false) {
  OutputFolder(folder, "test").begin(names, replace);
  for (const auto& name : names) std::ofstream(folder / name) << name;
}

TEST_CASE("a folder is cleared of its own files and of nothing else", "[output]") {
  const TemporaryFolder root;
  const auto out = root / "set";
  fill(out, {"a/images/1", "a/images/2", "b/list"});
  CHECK_THAT(message_of<DataError>([&] { fill(out, {"c"}); }), Contains("set is not an empty folder"));
  CHECK(fs::exists(out / "a/images/2"));

  fill(out, {"a/images/1", "c"}, true);
  CHECK(fs::exists(out / "a/images/1"));
  CHECK(fs::exists(out / "c"));
  CHECK_FALSE(fs::exists(out / "a/images/2"));
  CHECK_FALSE(fs::exists(out / "b"));

  write_bytes(out / "a/images/mine.jpg", {'x'});
  write_bytes(out / "notes.txt", {'x'});
  const auto refused = message_of<DataError>([&] { fill(out, {"d"}, true); });
  CHECK_THAT(refused, Contains("a/images/mine.jpg") && Contains("notes.txt"));
  CHECK(fs::exists(out / "a/images/1"));
  CHECK(fs::exists(out / "a/images/mine.jpg"));
  CHECK_FALSE(fs::exists(out / "d"));
}

TEST_CASE("folders that the program did not fill, and lists that lie, remove nothing", "[output]") {
  const TemporaryFolder root;
  write_bytes(root / "photos/1.jpg", {'x'});
  write_bytes(root / "set/train/1.jpg", {'x'});
  CHECK_THAT(message_of<DataError>([&] { fill(root / "set", {"train/1.jpg"}, true); }), Contains("train/1.jpg"));
  fs::remove_all(root / "set");

  // A folder of the set that was moved elsewhere and linked holds files of others.
  fill(root / "set", {"photos/1.jpg"});
  fs::remove_all(root / "set/photos");
  fs::create_directory_symlink("../photos", root / "set/photos");
  CHECK_THAT(message_of<DataError>([&] { fill(root / "set", {"other"}, true); }), Contains("photos"));
  CHECK(fs::exists(root / "photos/1.jpg"));
  fs::remove(root / "set/photos");

  std::ofstream(root / "set/.retentive-files") << "../photos/1.jpg\n" << (root / "photos/1.jpg").string() << "\n";
  fill(root / "set", {"other"}, true);
  CHECK(fs::exists(root / "photos/1.jpg"));
  CHECK_THAT(message_of<DataError>([&] { fill(root / "photos/1.jpg", {"a"}, true); }), Contains("1.jpg"));
  CHECK(fs::file_size(root / "photos/1.jpg") == 1);
}

}  // namespace
}  // namespace retentive
