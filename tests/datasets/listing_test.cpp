#include <datasets/files.h>
#include <datasets/image_folder.h>
#include <datasets/text.h>
#include <support/catch.h>

namespace retentive::datasets {
namespace {

namespace fs = std::filesystem;
using Catch::Contains;
using testing::message_of;
using testing::TemporaryFolder;
using testing::write_bytes;

std::vector<std::string> listed(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& path : list_images(folder)) names.push_back(path.lexically_relative(folder).string());
  return names;
}

void write_images(const TemporaryFolder& root, const std::vector<std::string>& names) {
  for (const auto& name : names) write_bytes(root / name, {'x'});
}

TEST_CASE("links to folders are followed once, and loops end", "[datasets]") {
  const TemporaryFolder root, elsewhere;
  write_images(root, {"set/z/1.jpg", "set/z/deep/2.jpg"});
  write_images(elsewhere, {"far/3.jpg", "far/more/4.jpg"});
  const auto link = [&](const fs::path& target, const std::string& name) {
    fs::create_directory_symlink(target, root / name);
  };
  link(root / "set/z", "set/a");       // a second name of a folder that is there
  link(elsewhere / "far", "set/b");    // a folder from elsewhere
  link(elsewhere / "far", "set/z/c");  // the same again
  link(root.path(), "set/z/deep/up");  // back to what holds the set
  link("..", "set/z/deep/parent");     // and to what is being walked
  link("self", "set/self");
  link("nothing", "set/broken");
  fs::create_directory_symlink(elsewhere / "far", elsewhere / "far/more/round");
  CHECK(listed(root / "set") == std::vector<std::string>{"b/3.jpg", "b/more/4.jpg", "z/1.jpg", "z/deep/2.jpg"});
  fs::create_symlink(root / "set/z/1.jpg", root / "set/same.jpg");
  CHECK(listed(root / "set").size() == 5);
  CHECK(listed(root / "set/a") == std::vector<std::string>{"1.jpg", "c/3.jpg", "c/more/4.jpg", "deep/2.jpg"});
}

TEST_CASE("links never mix classes", "[datasets]") {
  const TemporaryFolder root, elsewhere;
  write_images(root, {"set/cat/1.jpg", "set/dog/2.jpg"});
  write_images(elsewhere, {"far/3.jpg"});
  fs::create_directory_symlink(root / "set", root / "set/cat/all");
  fs::create_directory_symlink(root / "set/dog", root / "set/cat/others");
  fs::create_directory_symlink(root.path(), root / "set/loop");
  fs::create_directory_symlink(elsewhere / "far", root / "set/emu");
  const ImageFolder set(root / "set");
  CHECK(set.class_names() == std::vector<std::string>{"cat", "dog", "emu"});
  REQUIRE(set.size() == 3);
  for (int64_t i = 0; i < 3; ++i) CHECK(set.label(i) == i);
  fs::create_directory_symlink("cat", root / "set/kitten");
  CHECK_THAT(message_of<DataError>([&] { ImageFolder(root / "set"); }),
             Contains("set/cat") && Contains("set/kitten") && Contains("one folder under two names"));
}

TEST_CASE("what systems leave behind is no class and no image", "[datasets]") {
  const TemporaryFolder root;
  write_images(root, {"cat/1.jpg", "cat/._1.jpg", "cat/.DS_Store", "cat/Thumbs.db", "cat/@eaDir/1.jpg/THUMB_M.jpg",
                      "cat/.ipynb_checkpoints/1-checkpoint.jpg", "__MACOSX/cat/._1.jpg", "@eaDir/1.jpg",
                      ".ipynb_checkpoints/x.jpg", "Thumbs.db", "$RECYCLE.BIN/1.jpg", "#recycle/1.jpg",
                      "System Volume Information/1.jpg", "lost+found/1.jpg", "cat/__MACOSX/1.jpg", "desktop.ini"});
  CHECK(listed(root.path()) == std::vector<std::string>{"cat/1.jpg"});
  CHECK(ImageFolder(root.path()).class_names() == std::vector<std::string>{"cat"});
  for (const char* name : {"a/THUMBS.DB", "__macosx", "._x.png", ".DS_Store"}) CHECK(is_rubbish(name));
  for (const char* name : {"a.jpg", ".hidden.jpg", "__MACOSX/a.jpg", "thumbs", "_x.jpg"}) CHECK_FALSE(is_rubbish(name));
  write_bytes(root / "texts/a.txt", {'a'});
  write_bytes(root / "texts/._a.txt", {0, 5, 22, 7});
  CHECK(read_documents(root / "texts").size() == 1);
}

}  // namespace
}  // namespace retentive::datasets
