#include <models/formats/zip.h>

#include <formats/build.h>

namespace retentive::models::formats {
namespace {

using testing::as_bytes;
using testing::error_of;
using testing::text_of;
using testing::zip_image;
using testing::ZipEnd;
using testing::ZipMember;

const std::vector<ZipMember> kTwo{{"a", "alpha"}, {"dir/b", std::string(1000, 'b')}};

ZipArchive read(const std::string& image) { return ZipArchive::from_bytes(as_bytes(image), "made.zip"); }

void check_refused(const std::string& image, const std::string& expected) {
  const std::string message = error_of<CheckpointError>([&] {
    const ZipArchive archive = read(image);
    for (const ZipEntry& entry : archive.entries()) archive.read(entry);
  });
  CHECK_THAT(message, Catch::StartsWith("[zip] made.zip: ") && Catch::Contains(expected));
}

}  // namespace

TEST_CASE("stored zip archives are read, zip64 or not", "[formats]") {
  for (const bool wide : {false, true}) {
    auto members = kTwo;
    members.push_back({"empty", "", wide});
    members[1].wide = wide;
    ZipEnd end;
    end.wide = wide;
    end.comment = wide ? "PK\5\6 in a comment" : "";
    const std::string image = zip_image(members, end);
    const ZipArchive archive = read(image);
    REQUIRE(archive.entries().size() == 3);
    CHECK(archive.entries()[1].name == "dir/b");
    CHECK(archive.has_checksums());
    CHECK(archive.file_size() == image.size());
    for (const ZipMember& member : members) {
      REQUIRE(archive.find(member.name) != nullptr);
      CHECK(text_of(archive.read(*archive.find(member.name))) == member.content);
    }
    CHECK(archive.find("b") == nullptr);
    const ZipEntry copy = archive.entries()[0];
    CHECK_THAT(error_of<InvalidArgument>([&] { archive.read(copy); }), Catch::Contains("'a' is not one of this"));
  }
  CHECK(read(zip_image({})).entries().empty());
}

TEST_CASE("a zip directory that contradicts the archive is refused", "[formats]") {
  const auto with = [](auto change) {
    auto members = kTwo;
    change(members[1]);
    return zip_image(members);
  };
  check_refused(with([](ZipMember& m) { m.local_name = "dir/c"; }), "'dir/b' has a local header that contradicts");
  check_refused(with([](ZipMember& m) { m.name = "a"; }), "two members named 'a'");
  check_refused(with([](ZipMember& m) { m.offset_change = 1; }), "'dir/b' has no local header at byte 37");
  check_refused(with([](ZipMember& m) { m.size_change = 100; }), "'dir/b' has 1100 bytes at byte 71, beyond");
  check_refused(with([](ZipMember& m) { m.name = ""; }), "member '' has a directory record with impossible values");
  ZipMember over{"over", "o"};
  over.content = zip_image({{"in", "inner"}}).substr(0, 37);
  ZipMember inside{"in", "inner"};
  const std::string outer = zip_image({over, inside});
  CHECK(read(outer).entries().size() == 2);
  inside.offset_change = -37;
  check_refused(zip_image({over, inside}), "members 'over' and 'in' overlap");
}

TEST_CASE("zip members that cannot be read as they are, are refused", "[formats]") {
  check_refused(zip_image({{"a", "x", false, 1}}), "'a' is encrypted");
  check_refused(zip_image({{"a", "x", false, 1 << 6}}), "'a' is encrypted");
  check_refused(zip_image({{"a", "x", false, 0, 8}}), "'a' is compressed (method 8)");
  ZipMember damaged{"a", "x"};
  damaged.crc_change = 1;
  check_refused(zip_image({damaged, {"b", "y"}}), "'a' has CRC-32");
  const std::string image = zip_image(kTwo);
  std::string flipped = image;
  flipped[image.find("alpha") + 2] ^= 1;
  check_refused(flipped, "'a' has CRC-32");
}

TEST_CASE("a zip archive must be whole", "[formats]") {
  check_refused("", "no end-of-directory record in 0 bytes");
  check_refused("PK\3\4", "no end-of-directory record");
  const std::string image = zip_image(kTwo);
  check_refused("x" + image, "the directory does not end at its end record");
  check_refused(image + "x", "no end-of-directory record");
  for (const bool wide : {false, true}) {
    ZipEnd end;
    end.wide = wide;
    end.entries_change = 1;
    check_refused(zip_image(kTwo, end), "lists 2 members but its end says 3");
    end.entries_change = 0;
    end.disk = 1;
    check_refused(zip_image(kTwo, end), "multi-disk");
    end.disk = 0;
    const std::string whole = zip_image(kTwo, end);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const std::string cut = whole.substr(0, size);
      error_of<CheckpointError>([&] { read(cut); });
    }
  }
}

}  // namespace retentive::models::formats
