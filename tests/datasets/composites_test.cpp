#include <algorithm>
#include <cmath>
#include <map>

#include <datasets/composite_folders.h>
#include <datasets/composites.h>
#include <datasets/files.h>
#include <datasets/image_io.h>
#include <datasets/mnist.h>
#include <datasets/rle.h>
#include <support/catch.h>

namespace retentive::datasets {

using Catch::Contains;
using testing::CompositeFolders;
using testing::message_of;
using testing::noise_image;
using testing::read_bytes;
using testing::small_options;
using testing::TemporaryFolder;
using testing::write_bytes;

namespace fs = std::filesystem;

namespace {

std::map<std::string, std::vector<uint8_t>> files_below(const fs::path& folder) {
  std::map<std::string, std::vector<uint8_t>> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files[entry.path().lexically_relative(folder).string()] = read_bytes(entry.path());
  }
  return files;
}

template <class T>
bool disjoint(const std::vector<T>& a, const std::vector<T>& b) {
  return std::none_of(a.begin(), a.end(), [&](const T& v) { return std::find(b.begin(), b.end(), v) != b.end(); });
}

nlohmann::json read_json(const fs::path& path) { return nlohmann::json::parse(std::ifstream(path)); }

double iou(const vision::Box& a, const vision::Box& b) {
  const double width = std::max(0.0f, std::min(a.x1, b.x1) - std::max(a.x0, b.x0));
  const double height = std::max(0.0f, std::min(a.y1, b.y1) - std::max(a.y0, b.y0));
  const double both = width * height;
  return both / (a.width() * a.height() + b.width() * b.height() - both);
}

}  // namespace

TEST_CASE("composites are the same bytes for a seed, whatever the threads", "[composites]") {
  const CompositeFolders sources;
  const TemporaryFolder out;
  CompositeOptions options = small_options();
  int64_t calls = 0;
  const auto summary =
      write_composites(Composites(sources.inputs(), options), out / "a", {.threads = 1, .progress = [&] { ++calls; }});
  CHECK(calls == 21);
  CHECK(summary.images == options.images);
  const auto files = files_below(out / "a");
  CHECK(files.size() == 21 + 3 + 2);  // splits.json and the list of what was written
  CHECK(files.contains("val/images/000003.jpg"));
  write_composites(Composites(sources.inputs(), options), out / "b", {.threads = 3});
  CHECK((files_below(out / "b") == files));
  options.seed = 4;
  write_composites(Composites(sources.inputs(), options), out / "c", {.threads = 2});
  CHECK(files_below(out / "c")["train/images/000000.jpg"] != files.at("train/images/000000.jpg"));
}

TEST_CASE("composites share no source between splits", "[composites]") {
  const CompositeFolders sources;
  write_bytes(sources.root / "cut/disc/copy.png", read_bytes(sources.root / "cut/disc/2.png"));
  write_bytes(sources.root / "photos/copy.png", read_bytes(sources.root / "photos/1.png"));
  const TemporaryFolder out;
  write_composites(Composites(sources.inputs(), small_options()), out / "set");
  const auto splits = read_json(out / "set" / fs::path("splits.json"));
  CHECK(splits["options"]["seed"] == 3);
  CHECK(splits["left_out_as_duplicates"] == nlohmann::json{"disc/copy.png", "copy.png"});
  for (const char* kind : {"objects", "backgrounds"}) {
    std::vector<std::vector<std::string>> lists;
    size_t total = 0;
    for (const char* split : kCompositeSplits) {
      lists.push_back(splits[split][kind]);
      CHECK_FALSE(lists.back().empty());
      total += lists.back().size();
    }
    CHECK(total == (std::string(kind) == "objects" ? 12 : 5));
    CHECK(disjoint(lists[0], lists[1]));
    CHECK(disjoint(lists[0], lists[2]));
    CHECK(disjoint(lists[1], lists[2]));
  }
}

TEST_CASE("a folder that is split stays split", "[composites]") {
  const CompositeFolders sources;
  CompositeInputs inputs = sources.inputs();
  for (const char* split : kCompositeSplits) {
    const fs::path root = sources.root / "given";
    fs::create_directories(root / split);
    const std::string number = std::to_string(split[0] % 5);  // t, v, t: test and train are given the same files
    write_bytes(root / split / "a.png", read_bytes(sources.root / ("photos/" + number + ".png")));
  }
  inputs.backgrounds = sources.root / "given";
  CHECK_THAT(message_of<DataError>([&] { Composites(inputs, small_options()); }),
             Contains("no image of its own for train"));
  write_image(sources.root / "given/train/b.png", noise_image(64, 64, 3, 99));
  const Composites composites(inputs, small_options());
  CHECK(composites.lists(0).backgrounds == std::vector<std::string>{"train/b.png"});
  CHECK(composites.lists(1).backgrounds == std::vector<std::string>{"val/a.png"});
  CHECK(composites.lists(2).backgrounds == std::vector<std::string>{"test/a.png"});
  CHECK(composites.duplicates() == std::vector<std::string>{"train/a.png"});
}

TEST_CASE("boxes and masks are of what is visible", "[composites]") {
  const CompositeFolders sources;
  CompositeOptions options = small_options();
  options.images = {60, 1, 1};
  options.min_visible = 0.6;
  options.max_overlap = 0.25;
  const Composites composites(sources.inputs(), options);
  int64_t objects = 0;
  bool varied = false;
  for (int64_t index = 0; index < 60; ++index) {
    const DetectionSample sample = composites.make(0, index);
    varied = varied || sample.image.height != composites.make(0, 0).image.height;
    CHECK((sample.image.height >= 48 && sample.image.height <= 80 && sample.image.width == 64));
    CHECK(sample.image_id == index + 1);
    std::vector<int> owners(sample.image.height * sample.image.width);
    for (const ObjectAnnotation& object : sample.objects) {
      ++objects;
      const auto mask = rle_decode(*object.rle);
      for (size_t i = 0; i < mask.size(); ++i) owners[i] += mask[i];
      CHECK(object.box == rle_box(*object.rle));
      CHECK(object.area == static_cast<double>(rle_area(*object.rle)));
      for (const ObjectAnnotation& other : sample.objects) {
        if (&other != &object) CHECK(iou(other.box, object.box) <= 0.25 + 1e-6);
      }
    }
    CHECK(*std::max_element(owners.begin(), owners.end()) <= 1);
  }
  CHECK(varied);
  CHECK(objects > 120);
}

TEST_CASE("an object keeps its least visible share", "[composites]") {
  const CompositeFolders sources;
  CompositeOptions options = small_options();
  options.images = {80, 0, 0};
  options.height = options.width = {100, 100};
  options.scale = {0.4, 0.4};  // discs of about 40 pixels across, whatever their file's size
  options.feather = 0;
  options.max_overlap = 1;
  for (const double least : {0.5, 0.9}) {
    options.min_visible = least;
    options.truncation = 1 - least;
    const Composites composites(sources.inputs(), options);
    double smallest = 1;
    for (int64_t index = 0; index < options.images[0]; ++index) {
      for (const ObjectAnnotation& object : composites.make(0, index).objects) {
        if (object.label == 0) smallest = std::min(smallest, object.area / (M_PI * 20 * 20));
      }
    }
    CHECK(smallest >= least * 0.94);  // a disc's pixels differ from its area by some percent
    CHECK(smallest < least + 0.08);
  }
}

TEST_CASE("pixels of a mask are the object's, all others the photograph's", "[composites]") {
  const CompositeFolders sources;
  fs::remove_all(sources.root / "photos");
  Image grey{50, 50, 3, std::vector<uint8_t>(50 * 50 * 3, 128)};
  fs::create_directories(sources.root / "photos");
  write_image(sources.root / "photos/flat.png", grey);  // smaller than the composites: scaled up
  CompositeOptions options = small_options();
  options.images = {20, 0, 0};
  options.height = options.width = {90, 90};
  options.jitter = options.background_jitter = options.feather = 0;
  const Composites composites(sources.inputs(), options);
  for (int64_t index = 0; index < 20; ++index) {
    const DetectionSample sample = composites.make(0, index);
    std::vector<uint8_t> any(90 * 90);
    for (const auto& object : sample.objects) {
      const auto mask = rle_decode(*object.rle);
      for (size_t i = 0; i < mask.size(); ++i) any[i] |= mask[i];
    }
    int64_t wrong = 0;
    for (size_t i = 0; i < any.size(); ++i) {
      // Green is 128 behind and 30 in the objects; soft edges of two lie between.
      const int green = sample.image.pixels[i * 3 + 1];
      wrong += any[i] ? green > 80 : green < 50;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("digits become strokes that stand out", "[composites]") {
  const TemporaryFolder root;
  std::vector<Image> images;
  std::vector<int64_t> labels;
  for (int i = 0; i < 40; ++i) {
    Image digit{28, 28, 1, std::vector<uint8_t>(28 * 28)};
    for (int y = 5; y < 23; ++y) {
      for (int x = 10; x < 14 + i % 4; ++x) digit.pixels[y * 28 + x] = static_cast<uint8_t>(215 + i);
    }
    images.push_back(digit);
    labels.push_back(i % 10);
  }
  write_idx(root / "i.gz", root / "l.gz", images, labels);
  fs::create_directories(root / "photos");
  for (int i = 0; i < 3; ++i) {
    Image flat{60, 60, 3, std::vector<uint8_t>(60 * 60 * 3, static_cast<uint8_t>(90 + 40 * i))};
    write_image(root / ("photos/" + std::to_string(i) + ".png"), flat);
  }
  CompositeInputs inputs;
  inputs.digit_images = root / "i.gz";
  inputs.digit_labels = root / "l.gz";
  inputs.backgrounds = root / "photos";
  CompositeOptions options = small_options();
  options.objects = {1, 1};
  options.rotation = options.flip = options.outline = options.background_jitter = options.truncation = 0;
  options.images = {40, 3, 3};
  const Composites composites(inputs, options);
  CHECK(composites.lists(0).objects.size() == 20);
  CHECK(composites.lists(0).objects[0].starts_with("i.gz#"));
  for (int64_t index = 0; index < 40; ++index) {
    const DetectionSample sample = composites.make(0, index);
    REQUIRE(sample.objects.size() == 1);
    const auto& box = sample.objects[0].box;
    CHECK(box.height() / box.width() > 2);  // the bar's sides: 18 and 4 to 7
    const auto pixel = [&](int64_t y, int64_t x) { return sample.image.pixels.data() + (y * 64 + x) * 3; };
    const uint8_t* inside = pixel(static_cast<int64_t>(box.y0 + box.y1) / 2, static_cast<int64_t>(box.x0 + box.x1) / 2);
    const uint8_t* corner = pixel(0, 0);
    double distance = 0;
    for (int c = 0; c < 3; ++c) distance = std::max(distance, std::abs(inside[c] - corner[c]) / 255.0);
    CHECK(distance > 0.25);
  }
}

TEST_CASE("an annotation file has every object of every image", "[composites]") {
  const CompositeFolders sources;
  const TemporaryFolder out;
  CompositeOptions options = small_options();
  options.format = "png";
  const Composites composites(sources.inputs(), options);
  const auto summary = write_composites(composites, out.path());
  const auto coco = read_json(out / "annotations/test.json");
  REQUIRE(coco["images"].size() == 5);
  CHECK(std::ssize(coco["annotations"]) == summary.objects[2]);
  CHECK(coco["categories"][1]["name"] == "ring");
  CHECK(coco["categories"][1]["id"] == 2);
  size_t at = 0;
  for (int64_t index = 0; index < 5; ++index) {
    const DetectionSample sample = composites.make(2, index);
    CHECK(coco["images"][index]["id"] == index + 1);
    CHECK(coco["images"][index]["height"] == sample.image.height);
    const std::string name = coco["images"][index]["file_name"];
    CHECK(decode_image(out.path() / "test/images" / name).pixels == sample.image.pixels);
    for (const ObjectAnnotation& object : sample.objects) {
      const auto& found = coco["annotations"].at(at++);
      CHECK(found["image_id"] == index + 1);
      CHECK(found["category_id"] == object.label + 1);
      CHECK(found["bbox"] == nlohmann::json{object.box.x0, object.box.y0, object.box.width(), object.box.height()});
      CHECK(found["area"] == object.area);
      CHECK(rle_from_text(found["segmentation"]["counts"].get<std::string>(), sample.image.height, 64) == *object.rle);
    }
  }
  CHECK(at == coco["annotations"].size());
}

}  // namespace retentive::datasets
