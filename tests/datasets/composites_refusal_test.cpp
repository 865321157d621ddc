#include <datasets/composite_folders.h>
#include <datasets/composites.h>
#include <datasets/files.h>
#include <datasets/image_io.h>
#include <support/catch.h>

#include <opencv2/imgcodecs.hpp>

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

TEST_CASE("composites name what they cannot use", "[composites]") {
  const CompositeFolders sources;
  const auto refusal = [&](const CompositeInputs& inputs) {
    return message_of<DataError>([&] { write_composites(Composites(inputs, small_options()), sources.root / "out"); });
  };
  CompositeInputs inputs = sources.inputs();
  inputs.cutouts = sources.root / "none";
  CHECK_THAT(refusal(inputs), Contains("none") && Contains("is not a folder"));
  fs::create_directories(sources.root / "empty");
  inputs.cutouts = sources.root / "empty";
  CHECK_THAT(refusal(inputs), Contains("empty holds no class folders"));
  inputs = sources.inputs();
  inputs.backgrounds = sources.root / "empty";
  CHECK_THAT(refusal(inputs), Contains("photographs") && Contains("0 different images for 3 splits"));
  for (int i = 2; i < 6; ++i) fs::remove(sources.root / ("cut/ring/" + std::to_string(i) + ".png"));
  CHECK_THAT(refusal(sources.inputs()), Contains("class ring") && Contains("2 different images for 3 splits"));
  write_image(sources.root / "cut/ring/9.png", noise_image(9, 9, 3, 1));
  CHECK_THAT(refusal(sources.inputs()), Contains("9.png has no alpha channel"));
  auto damaged = read_bytes(sources.root / "photos/4.png");
  damaged.resize(damaged.size() / 2);
  fs::remove_all(sources.root / "cut/ring");
  for (int i = 0; i < 5; ++i) write_bytes(sources.root / ("photos/" + std::to_string(i) + ".png"), damaged);
  for (int i = 0; i < 5; ++i) {
    damaged.resize(damaged.size() - 1);
    write_bytes(sources.root / ("photos/" + std::to_string(i) + ".png"), damaged);
  }
  CHECK_THAT(refusal(sources.inputs()), Contains("photos/") && Contains(".png"));
  write_bytes(sources.root / "photos/note.jpg", {'x'});
  CHECK_THAT(refusal(sources.inputs()), Contains("note.jpg"));
}

TEST_CASE("a transparent cut-out and a used folder are refused", "[composites]") {
  const CompositeFolders sources;
  const TemporaryFolder out;
  write_bytes(out / "set/keep.txt", {'x'});
  CompositeOptions options = small_options();
  options.images = {1, 0, 0};
  const Composites composites(sources.inputs(), options);
  CHECK_THAT(message_of<DataError>([&] { write_composites(composites, out / "set"); }),
             Contains("set is not an empty folder"));
  CHECK_THAT(message_of<DataError>([&] { write_composites(composites, out / "set", {.force = true}); }),
             Contains("keep.txt"));
  CHECK(fs::exists(out / "set/keep.txt"));
  CHECK_FALSE(fs::exists(out / "set/train"));
  fs::remove(out / "set/keep.txt");
  write_composites(composites, out / "set");
  CHECK(fs::exists(out / "set/train/images/000000.jpg"));
  CHECK_FALSE(fs::exists(out / "set/val"));
  fs::remove_all(sources.root / "cut");
  REQUIRE(fs::create_directories(sources.root / "cut/glass"));
  cv::imwrite((sources.root / "cut/glass/a.png").string(), cv::Mat(9, 9, CV_8UC4, cv::Scalar(1, 2, 3, 90)));
  CHECK_THAT(message_of<DataError>([&] { Composites(sources.inputs(), options).make(0, 0); }),
             Contains("a.png has no pixel that is at least half opaque"));
}

TEST_CASE("options of composites are checked by name", "[composites]") {
  const CompositeFolders sources;
  const auto refusal = [&](auto&& change) {
    CompositeOptions options = small_options();
    change(options);
    return message_of<ConfigError>([&] { Composites(sources.inputs(), options); });
  };
  CHECK_THAT(refusal([](auto& o) { o.images = {0, 0, 0}; }), Contains("images is 0"));
  CHECK_THAT(refusal([](auto& o) { o.scale = {0.5, 0.2}; }), Contains("scale is [0.5, 0.2]"));
  CHECK_THAT(refusal([](auto& o) { o.min_visible = NAN; }), Contains("min_visible is nan"));
  CHECK_THAT(refusal([](auto& o) { o.height = {8, 64}; }), Contains("height is [8, 64]"));
  CHECK_THAT(refusal([](auto& o) { o.format = "gif"; }), Contains("jpg or png"));
  CompositeInputs both = sources.inputs();
  both.digits = sources.root / "digits";
  CHECK_THAT(message_of<ConfigError>([&] { Composites(both, small_options()); }), Contains("one kind of objects"));
  const Composites composites(sources.inputs(), small_options());
  CHECK_THROWS_AS(composites.make(0, 12), InvalidArgument);
  CHECK_THROWS_AS(composites.make(3, 0), InvalidArgument);
  CHECK_THROWS_AS(composites.lists(-1), InvalidArgument);
}

}  // namespace retentive::datasets
