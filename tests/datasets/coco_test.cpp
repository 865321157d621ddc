#include <datasets/coco_files.h>
#include <support/catch.h>

namespace retentive::datasets {
namespace {

using Catch::Contains;
using nlohmann::json;
using testing::coco_truth;
using testing::message_of;
using testing::read_coco_json;
using testing::TemporaryFolder;
using testing::write_text;

TEST_CASE("annotations are read whatever the order of the sections", "[coco]") {
  const CocoAnnotations set = read_coco_json(coco_truth());
  REQUIRE(set.images.size() == 3);
  CHECK(set.images[1].id == 10);
  CHECK(set.images[1].file_name == "sub/a.png");
  CHECK(set.images[0].height == 8);
  CHECK(set.images[0].width == 9);
  REQUIRE(set.categories.size() == 2);
  CHECK(set.categories[0].name == "three");
  CHECK(set.categories[1].supercategory == "odd");
  REQUIRE(set.annotations.size() == 5);
  const CocoAnnotation& outline = set.annotations[0];
  CHECK(outline.id == 5);
  CHECK(outline.image == 0);
  CHECK(outline.label == 1);
  CHECK(outline.box == CocoBox{1.5, 2, 3, 4});
  CHECK(outline.area == 6.5);
  CHECK_FALSE(outline.crowd);
  CHECK(outline.polygons == std::vector<std::vector<double>>{{1.5, 2, 4.5, 2, 4.5, 6}});
  CHECK(annotation_mask(outline, 8, 9) == rle_from_polygons(outline.polygons, 8, 9));
  const CocoAnnotation& crowd = set.annotations[1];
  CHECK(crowd.crowd);
  CHECK(crowd.rle == RleMask{4, 5, {4, 8, 8}});
  CHECK(crowd.box == CocoBox{1, 0, 2, 4});
  CHECK(crowd.area == 8);
  CHECK(set.annotations[2].area == 100);
  CHECK_FALSE(annotation_mask(set.annotations[3], 4, 5).has_value());
  CHECK(set.annotations[4].rle == RleMask{4, 5, {5, 7, 8}});
}

TEST_CASE("a set that is written is read again", "[coco]") {
  const TemporaryFolder folder;
  const CocoAnnotations set = read_coco_json(coco_truth());
  write_coco(folder / "out.json", set);
  const CocoAnnotations again = read_coco(folder / "out.json");
  REQUIRE(again.annotations.size() == set.annotations.size());
  for (size_t i = 0; i < set.annotations.size(); ++i) {
    const CocoAnnotation &a = set.annotations[i], &b = again.annotations[i];
    CHECK(std::tie(a.id, a.image, a.label, a.box, a.area, a.crowd, a.polygons, a.rle) ==
          std::tie(b.id, b.image, b.label, b.box, b.area, b.crowd, b.polygons, b.rle));
  }
  for (size_t i = 0; i < set.images.size(); ++i) {
    const CocoImage &a = set.images[i], &b = again.images[i];
    CHECK(std::tie(a.id, a.height, a.width, a.file_name) == std::tie(b.id, b.height, b.width, b.file_name));
  }
  CHECK(again.categories[1].supercategory == "odd");
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("a set that makes no sense is not written", "[coco]") {
  const TemporaryFolder folder;
  const auto refusal = [&](auto&& change) {
    CocoAnnotations set = read_coco_json(coco_truth());
    change(set);
    return message_of<InvalidArgument>([&] { write_coco(folder / "out.json", set); });
  };
  CHECK_THAT(refusal([](auto& set) { set.images[1].id = 20; }), Contains("image 1 has the id 20"));
  CHECK_THAT(refusal([](auto& set) { set.annotations[1].id = 5; }), Contains("annotation 1 has the id 5"));
  CHECK_THAT(refusal([](auto& set) { set.annotations[2].label = 2; }),
             Contains("annotation 2 is of image 1 and label 2"));
  CHECK_THAT(refusal([](auto& set) { set.annotations[2].box[1] = NAN; }), Contains("annotation 2 has a box"));
  CHECK_THAT(refusal([](auto& set) { set.images[0].file_name = "\xff"; }), Contains("not UTF-8"));
  CHECK(std::filesystem::is_empty(folder.path()));
  const auto missing = folder / "none/out.json";
  CHECK_THAT(message_of<DataError>([&] { write_coco(missing, read_coco_json(coco_truth())); }),
             Contains("out.json cannot be written (No such file or directory)"));
}

TEST_CASE("results are written and read", "[coco]") {
  const TemporaryFolder folder;
  const std::vector<CocoResult> results = {{10, 7, 0.1, CocoBox{0.1, 1.0 / 3, 2, 3}, {}, std::nullopt},
                                           {20, 3, 1, std::nullopt, {}, RleMask{2, 3, {1, 5}}},
                                           {20, 3, 0.25, CocoBox{1, 2, 3, 4}, {{0, 0, 1, 1, 0, 1}}, std::nullopt}};
  write_coco_results(folder / "dt.json", results);
  const auto again = read_coco_results(folder / "dt.json");
  REQUIRE(again.size() == 3);
  for (size_t i = 0; i < 3; ++i) {
    const CocoResult &a = results[i], &b = again[i];
    CHECK(std::tie(a.image_id, a.category_id, a.score, a.box, a.polygons, a.rle) ==
          std::tie(b.image_id, b.category_id, b.score, b.box, b.polygons, b.rle));
  }
  write_coco_results(folder / "none.json", {});
  CHECK(read_coco_results(folder / "none.json").empty());
  const std::vector<CocoResult> wrong = {{1, 1, NAN, CocoBox{}, {}, std::nullopt}};
  CHECK_THAT(message_of<InvalidArgument>([&] { write_coco_results(folder / "dt.json", wrong); }),
             Contains("result 0 has a score"));
}

TEST_CASE("a data set of images with clipped boxes", "[coco]") {
  const TemporaryFolder folder;
  write_text(folder / "gt.json", coco_truth().dump());
  std::filesystem::create_directories(folder / "sub");
  write_image(folder / "sub/a.png", testing::noise_image(4, 5, 3, 1));
  write_image(folder / "b.png", testing::noise_image(8, 9, 3, 2));
  write_image(folder / "c.png", testing::noise_image(50, 41, 3, 3));
  const CocoDataset all(folder / "gt.json", folder.path());
  CHECK(all.size() == 3);
  CHECK(all.class_names() == std::vector<std::string>{"three", "seven"});
  CHECK(all.category_ids() == std::vector<int64_t>{3, 7});
  CHECK(all.image_size(0) == std::array<int64_t, 2>{8, 9});
  CHECK(all.image_id(2) == 30);
  const DetectionSample sample = all.get(1);
  CHECK(sample.image.pixels == testing::noise_image(4, 5, 3, 1).pixels);
  CHECK(sample.image_id == 10);
  CHECK(sample.name == (folder / "sub/a.png").string());
  REQUIRE(sample.objects.size() == 3);  // of the one with id 8, half a pixel is left
  CHECK(sample.objects[0].crowd);
  CHECK(sample.objects[0].rle.has_value());
  CHECK(sample.objects[1].box == vision::Box{0, 1, 3, 4});
  CHECK(sample.objects[1].label == 0);
  CHECK(sample.objects[2].label == 1);
  CHECK(all.get(0).objects[0].polygons.size() == 1);
  CHECK_THAT(message_of<DataError>([&] { all.get(2); }),
             Contains("c.png is 50 x 41") && Contains("annotated as 50 x 40") && Contains("id 30"));
  CHECK_THROWS_AS(all.get(3), InvalidArgument);
  CHECK_THROWS_AS(all.image_size(-1), InvalidArgument);
}

TEST_CASE("text ids and file names with backslashes are read, and ids written again", "[coco]") {
  const TemporaryFolder folder;
  json truth = coco_truth();
  truth["images"][1]["id"] = "img_10";
  truth["images"][1]["file_name"] = "sub\\deep\\a.png";
  for (auto& annotation : truth["annotations"]) {
    if (annotation["image_id"] == 10) annotation["image_id"] = "img_10";
  }
  const CocoAnnotations set = read_coco_json(truth);
  CHECK(set.images[1].id == ImageId("img_10"));
  CHECK(set.images[1].file_name == "sub/deep/a.png");
  CHECK(set.annotations[1].image == 1);
  std::filesystem::create_directories(folder / "sub/deep");
  write_image(folder / "sub/deep/a.png", testing::noise_image(4, 5, 3, 1));
  const CocoDataset images(set, folder.path());
  CHECK(images.get(1).image_id == ImageId("img_10"));
  write_coco(folder / "out.json", set);
  CHECK(read_coco(folder / "out.json").images[1].id == ImageId("img_10"));
  write_coco_results(folder / "dt.json",
                     std::vector<CocoResult>{{ImageId("img_10"), 7, 0.5, CocoBox{1, 1, 2, 2}, {}, {}}});
  CHECK(json::parse(std::ifstream(folder / "dt.json"))[0]["image_id"] == "img_10");
  truth["annotations"][0]["image_id"] = "20";  // not the number
  CHECK_THAT(message_of<DataError>([&] { read_coco_json(truth); }), Contains("image_id \"20\""));
}

TEST_CASE("a byte order mark before the annotations is no fault", "[coco]") {
  const TemporaryFolder folder;
  write_text(folder / "gt.json", "\xEF\xBB\xBF" + coco_truth().dump());
  CHECK(read_coco(folder / "gt.json").images.size() == 3);
}

TEST_CASE("annotations of an EXIF-turned image as it is stored name the flag", "[coco]") {
  const TemporaryFolder folder;
  const auto upright = decode_image(testing::image_fixture("exif_6.jpg"));
  std::filesystem::copy_file(testing::image_fixture("exif_6.jpg"), folder / "b.png");
  json truth = coco_truth();
  const auto annotate = [&](int64_t height, int64_t width) {
    truth["images"][0]["height"] = height;
    truth["images"][0]["width"] = width;
    return read_coco_json(truth);
  };
  REQUIRE(upright.height != upright.width);
  const auto stored = annotate(upright.width, upright.height), turned = annotate(upright.height, upright.width);
  const auto open = [&](const CocoAnnotations& set, bool ignore) {
    return CocoDataset(set, folder.path(), {.decode = {.ignore_orientation = ignore}});
  };
  CHECK(open(turned, false).get(0).image.pixels == upright.pixels);
  CHECK(open(stored, true).get(0).image.height == upright.width);
  CHECK_THAT(message_of<DataError>([&] { open(stored, false).get(0); }),
             Contains("EXIF") && Contains("give --ignore-orientation"));
  CHECK_THAT(message_of<DataError>([&] { open(turned, true).get(0); }), Contains("do without --ignore-orientation"));
}

TEST_CASE("images without objects or too small can be left out", "[coco]") {
  const CocoDataset busy(read_coco_json(coco_truth()), "", {.skip_empty = true});
  CHECK(busy.size() == 2);
  const CocoDataset large(read_coco_json(coco_truth()), "", {.min_size = 8});
  REQUIRE(large.size() == 2);
  CHECK(large.image_id(0) == 20);
  CHECK(large.image_id(1) == 30);
  const auto none = [] { CocoDataset(read_coco_json(coco_truth()), "", {.skip_empty = true, .min_size = 32}); };
  CHECK_THAT(message_of<DataError>(none), Contains("no image that can be used"));
  json unknown = coco_truth();
  unknown["images"][1].erase("height");
  unknown["images"][1].erase("width");
  CHECK_THAT(message_of<DataError>([&] { CocoDataset(read_coco_json(unknown), ""); }), Contains("image with id 10"));
}

}  // namespace
}  // namespace retentive::datasets
