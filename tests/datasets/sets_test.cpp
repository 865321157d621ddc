#include <datasets/files.h>
#include <datasets/image_folder.h>
#include <datasets/mnist.h>
#include <datasets/subset.h>
#include <support/catch.h>

namespace retentive::datasets {

using Catch::Contains;
using testing::image_fixture;
using testing::message_of;
using testing::noise_image;
using testing::read_bytes;
using testing::TemporaryFolder;
using testing::write_bytes;

namespace {

struct Digits {
  std::vector<Image> images;
  std::vector<int64_t> labels;
};

Digits make_digits() {
  Digits digits;
  for (int64_t i = 0; i < 7; ++i) {
    digits.images.push_back(noise_image(5, 4, 1, static_cast<uint32_t>(i)));
    digits.labels.push_back((i * 3) % 10);
  }
  return digits;
}

}  // namespace

TEST_CASE("an image folder takes classes and files in order", "[datasets]") {
  const TemporaryFolder root;
  const auto grey = read_bytes(image_fixture("grey.png"));
  const auto jpeg = read_bytes(image_fixture("exif_6.jpg"));
  for (const char* name :
       {"zebra/b.PNG", "zebra/a/deep.png", "ant/2.png", "ant/1.png", ".hidden/x.png", "ant/._1.png", "stray.png"}) {
    write_bytes(root / name, grey);
  }
  write_bytes(root / "zebra/c.jpeg", jpeg);
  write_bytes(root / "ant/notes.txt", {'x'});
  const ImageFolder set(root.path());
  CHECK(set.class_names() == std::vector<std::string>{"ant", "zebra"});
  REQUIRE(set.size() == 5);
  const std::vector<std::string> names = {"ant/1.png", "ant/2.png", "zebra/a/deep.png", "zebra/b.PNG", "zebra/c.jpeg"};
  for (int64_t i = 0; i < 5; ++i) {
    const Sample sample = set.get(i);
    CHECK(sample.name == (root / names[i]).string());
    CHECK(sample.label == (i < 2 ? 0 : 1));
    CHECK(set.label(i) == sample.label);
    CHECK(sample.image.height == (i == 4 ? 33 : 19));
  }
  CHECK_THAT(message_of<InvalidArgument>([&] { set.get(5); }), Contains("index 5"));
  CHECK_THROWS_AS(set.get(-1), InvalidArgument);
  CHECK(list_images(root.path()).size() == 6);
}

TEST_CASE("an image folder names what is missing", "[datasets]") {
  const TemporaryFolder root;
  CHECK_THAT(message_of<DataError>([&] { ImageFolder(root / "none"); }), Contains("is not a folder"));
  CHECK_THAT(message_of<DataError>([&] { ImageFolder(root.path()); }), Contains("holds no class folders"));
  std::filesystem::create_directories(root / "cat");
  CHECK_THAT(message_of<DataError>([&] { ImageFolder(root.path()); }), Contains("cat holds no image"));
}

TEST_CASE("idx files are written and read, plain and compressed", "[datasets]") {
  const TemporaryFolder folder;
  const Digits digits = make_digits();
  for (const char* suffix : {"", ".gz"}) {
    INFO("suffix " << suffix);
    const auto images = folder / (std::string("images-idx3-ubyte") + suffix);
    const auto labels = folder / (std::string("labels-idx1-ubyte") + suffix);
    write_idx(images, labels, digits.images, digits.labels);
    CHECK((read_bytes(images)[0] == 0x1f) == (*suffix != 0));
    const Mnist set(images, labels);
    REQUIRE(set.size() == 7);
    CHECK(set.class_names().size() == 10);
    CHECK(set.class_names()[3] == "3");
    for (int64_t i = 0; i < 7; ++i) {
      const Sample sample = set.get(i);
      CHECK(sample.image.pixels == digits.images[i].pixels);
      CHECK(sample.image.height == 5);
      CHECK(sample.image.width == 4);
      CHECK(sample.image.channels == 1);
      CHECK(sample.label == digits.labels[i]);
      CHECK(set.label(i) == digits.labels[i]);
      CHECK(sample.name == images.string() + "#" + std::to_string(i));
    }
  }
  const auto bytes = read_bytes(folder / "images-idx3-ubyte");
  CHECK(std::vector<uint8_t>(bytes.begin(), bytes.begin() + 16) ==
        std::vector<uint8_t>{0, 0, 8, 3, 0, 0, 0, 7, 0, 0, 0, 5, 0, 0, 0, 4});
}

TEST_CASE("damaged idx files are refused by name", "[datasets]") {
  const TemporaryFolder folder;
  const Digits digits = make_digits();
  const auto images = folder / "i", labels = folder / "l", images_gz = folder / "i.gz", labels_gz = folder / "l.gz";
  write_idx(images, labels, digits.images, digits.labels);
  write_idx(images_gz, labels_gz, digits.images, digits.labels);
  const auto plain = read_bytes(images);
  const auto gzip = read_bytes(images_gz);
  const auto refusal = [&](const std::vector<uint8_t>& bytes) {
    write_bytes(folder / "bad", bytes);
    return message_of<DataError>([&] { Mnist(folder / "bad", labels); });
  };
  for (size_t size = 0; size < plain.size(); ++size) {
    CHECK_THAT(refusal({plain.begin(), plain.begin() + static_cast<int64_t>(size)}),
               Contains("bad") && (Contains("truncated") || Contains("0 bytes")));
  }
  for (size_t size = 20; size < gzip.size(); size += 7) {
    CHECK_THAT(refusal({gzip.begin(), gzip.begin() + static_cast<int64_t>(size)}),
               Contains("truncated") || Contains("damaged gzip"));
  }
  auto flipped = gzip;
  flipped[gzip.size() - 6] ^= 1;  // the checksum
  CHECK_THAT(refusal(flipped), Contains("damaged gzip"));
  auto longer = plain;
  longer.push_back(0);
  CHECK_THAT(refusal(longer), Contains("more than the 140 bytes"));
  auto huge = plain;
  huge[4] = huge[8] = huge[12] = 0xff;
  CHECK_THAT(refusal(huge), Contains("declares more than"));
  huge[4] = huge[8] = huge[12] = 0;
  huge[13] = 0xff;  // half a gigabyte, which is not there
  CHECK_THAT(refusal(huge), Contains("truncated"));
  CHECK_THAT(message_of<DataError>([&] { Mnist(labels, labels); }), Contains("begins with 2049 where 2051"));
  CHECK_THAT(message_of<DataError>([&] {
               Mnist(images, labels, {"a", "b", "c"});
             }),
             Contains("label 3 at index 1") && Contains("0 to 2"));
  write_idx(folder / "i2", folder / "l2", {digits.images[0]}, {0});
  CHECK_THAT(message_of<DataError>([&] { Mnist(images, folder / "l2"); }),
             Contains("1 labels") && Contains("7 images"));
  CHECK_THAT(message_of<DataError>([&] { Mnist(folder.path(), labels); }), Contains("is a folder"));
}

TEST_CASE("idx files are written only from what they can hold", "[datasets]") {
  const TemporaryFolder folder;
  const auto refusal = [&](const std::vector<Image>& images, const std::vector<int64_t>& labels) {
    return message_of<InvalidArgument>([&] { write_idx(folder / "i", folder / "l", images, labels); });
  };
  CHECK_THAT(refusal({noise_image(2, 2, 1, 1)}, {}), Contains("0 labels"));
  CHECK_THAT(refusal({noise_image(2, 2, 3, 1)}, {0}), Contains("[2, 2, 3]"));
  CHECK_THAT(refusal({noise_image(2, 2, 1, 1), noise_image(2, 3, 1, 1)}, {0, 1}), Contains("image 1"));
  CHECK_THAT(refusal({noise_image(2, 2, 1, 1)}, {256}), Contains("256"));
  CHECK_THAT(message_of<DataError>([&] { write_idx(folder / "no/i", folder / "l", {noise_image(2, 2, 1, 1)}, {0}); }),
             Contains("cannot be written"));
}

TEST_CASE("a subset is its base by index", "[datasets]") {
  const TemporaryFolder folder;
  const Digits digits = make_digits();
  write_idx(folder / "i", folder / "l", digits.images, digits.labels);
  const auto base = std::make_shared<Mnist>(folder / "i", folder / "l");
  const Subset set(base, {6, 0, 6});
  REQUIRE(set.size() == 3);
  CHECK(set.get(2).name == base->get(6).name);
  CHECK(set.label(0) == digits.labels[6]);
  CHECK(set.get(1).image.pixels == digits.images[0].pixels);
  CHECK(set.class_names() == base->class_names());
  CHECK_THROWS_AS(set.get(3), InvalidArgument);
  CHECK_THAT(message_of<InvalidArgument>([&] { Subset(base, {7}); }), Contains("index 7"));
}

}  // namespace retentive::datasets
