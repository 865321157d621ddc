#include <datasets/row_files.h>
#include <datasets/row_reader.h>
#include <datasets/transforms.h>
#include <models/pipelines/classifier.h>
#include <pipelines/helpers.h>
#include <support/tensors.h>
#include <vision/vir_fixture.h>
#include <vision/vir_stream.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using models::Classifier;
using models::ClassifierOptions;
using vision::Vir;
using vision::VirConfig;
using vision::VirStream;

// Patches of 4, so that small pictures have many bands.
VirConfig config_of(int64_t channels, int64_t decay_dims = 1, vision::VirPool pool = vision::VirPool::token_last) {
  auto config = test_vir_config();
  config.image_size = {32, 40};
  config.patch_size = 4;
  config.in_channels = channels;
  config.decay_dims = decay_dims;
  config.pool = pool;
  config.layer_scale_init = 1.0;
  return config;
}

vision::Preprocessing input_of(int64_t channels) {
  vision::Preprocessing preprocessing;
  preprocessing.resize_shorter = 32;
  preprocessing.crop = {32, 40};
  if (channels == 1) {
    preprocessing.mean = {0.45};
    preprocessing.std = {0.25};
  }
  return preprocessing;
}

std::filesystem::path save_vir(const std::filesystem::path& path, const VirConfig& config) {
  models::ModelCard card;
  card.config = config;
  card.preprocessing = input_of(config.in_channels);
  models::save_checkpoint(path, *lively_vir(config, 3), card);
  return path;
}

// The picture at native size, as the pipelines feed pictures that were decoded whole: [1, C, H, W].
torch::Tensor whole_picture(const std::filesystem::path& path, int64_t channels) {
  const auto preprocessing = input_of(channels);
  const auto image = datasets::to_input_channels(datasets::decode_image(path), preprocessing);
  auto input = torch::empty({1, channels, image.height, image.width});
  datasets::normalise(image, preprocessing, input.data_ptr<float>());
  return input;
}

std::vector<double> by_class(const std::vector<models::Prediction>& top) {
  std::vector<double> values(top.size());
  for (const auto& entry : top) values.at(static_cast<size_t>(entry.index)) = entry.probability;
  return values;
}

std::vector<double> expected_probabilities(Vir model, const std::filesystem::path& path) {
  const torch::NoGradGuard no_grad;
  const auto logits = model->forward(whole_picture(path, model->config().in_channels), {Form::parallel, 0});
  const auto values = torch::softmax(logits.to(torch::kDouble), 1).contiguous();
  return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
}

struct PictureFile {
  std::filesystem::path path;
  bool streamed = true;
};

// Colour and grey in every streamed format, and two that are decoded whole. Sides are no multiples of 4.
std::vector<PictureFile> write_pictures(const TemporaryFolder& folder) {
  datasets::write_image(folder / "rgb.ppm", noise_image(129, 187, 3, 1));
  datasets::write_image(folder / "grey.pgm", noise_image(90, 131, 1, 2));
  datasets::write_image(folder / "dot.ppm", noise_image(1, 1, 3, 3));
  write_png_file(folder / "rgb.png", {.height = 203, .width = 121});
  write_png_file(folder / "deep.png", {.height = 77, .width = 190, .colour_type = 0, .depth = 16});
  write_png_file(folder / "woven.png", {.height = 61, .width = 70, .interlaced = true});
  write_tiff_file(folder / "plain.tif", {.height = 118, .width = 143, .rows_per_strip = 7});
  write_tiff_file(folder / "grey.tif", {.height = 150, .width = 99, .samples = 1, .compression = 5});
  datasets::write_image(folder / "photo.jpg", noise_image(50, 83, 3, 4));
  return {{folder / "rgb.ppm"},   {folder / "grey.pgm"}, {folder / "dot.ppm"},
          {folder / "rgb.png"},   {folder / "deep.png"}, {folder / "woven.png", false},
          {folder / "plain.tif"}, {folder / "grey.tif"}, {folder / "photo.jpg", false}};
}

TEST_CASE("a file in bands of rows gives what the whole picture gives", "[stream]") {
  const TemporaryFolder folder;
  const torch::NoGradGuard no_grad;
  WorstDeviation worst("files in bands of rows");
  const auto pictures = write_pictures(folder);
  for (const int64_t channels : {1, 3}) {
    for (const int64_t dims : {1, 2}) {
      auto model = lively_vir(config_of(channels, dims), 3);
      for (const auto& [path, streamed] : pictures) {
        INFO(path << " channels " << channels << " decay_dims " << dims);
        const auto opened = datasets::open_rows(path);
        CHECK(opened.streamed == streamed);
        VirStream stream(model, opened.rows->height(), opened.rows->width(), {Form::chunkwise, 100});
        const bool several = opened.rows->height() > 8;
        CHECK((stream.band_rows() < opened.rows->height()) == several);
        stream.read(*opened.rows, input_of(channels));
        const auto expected = model->forward(whole_picture(path, channels), {Form::parallel, 0});
        CHECK(worst.add(path.filename().string(), deviation(stream.logits(), expected)) <= 1e-5);
      }
    }
  }
}

TEST_CASE("a stream stays at the band before damaged rows", "[stream]") {
  const TemporaryFolder folder;
  datasets::write_image(folder / "cut.ppm", noise_image(120, 100, 3, 1));
  auto model = lively_vir(config_of(3), 3);
  const auto opened = datasets::open_rows(folder / "cut.ppm");
  std::filesystem::resize_file(folder / "cut.ppm", 100 * 3 * 70);  // while it is being read
  VirStream stream(model, 120, 100, {Form::chunkwise, 100});
  REQUIRE(stream.band_rows() == 16);
  CHECK_THAT(message_of<DataError>([&] { stream.read(*opened.rows, input_of(3)); }), Contains("cut.ppm"));
  CHECK(stream.next_row() == 64);
  CHECK_THROWS_AS(stream.logits(), StateError);
}

TEST_CASE("Classifier in bands of rows gives the probabilities of the whole picture", "[stream]") {
  const TemporaryFolder folder;
  const auto pictures = write_pictures(folder);
  std::vector<std::filesystem::path> paths;
  for (const auto& picture : pictures) paths.push_back(picture.path);
  WorstDeviation worst("Classifier in bands of rows");
  for (const auto& config : {config_of(3), config_of(1, 2), config_of(3, 1, vision::VirPool::avg)}) {
    const auto classifier = Classifier::from_file(save_vir(folder / "w.safetensors", config));
    auto model = lively_vir(config, 3);
    const auto results = classifier.classify(paths, {.top_k = 10, .stream = true});
    REQUIRE(results.size() == paths.size());
    for (size_t i = 0; i < paths.size(); ++i) {
      INFO(paths[i]);
      CHECK(results[i].path == paths[i].string());
      REQUIRE_FALSE(results[i].error);
      CHECK(results[i].whole.empty() == pictures[i].streamed);
      const auto expected = expected_probabilities(model, paths[i]);
      CHECK(worst.add(paths[i].filename().string(), deviation(by_class(results[i].top), expected)) <= 1e-5);
    }
    CHECK(deviation(by_class(results[0].top), by_class(results[3].top)) > 1e-3);
    const std::vector<vision::Image> images = {datasets::decode_image(paths[0]), {}};
    const auto memory = classifier.classify(images, {.top_k = 10, .stream = true});
    CHECK(by_class(memory.at(0).top) == by_class(results[0].top));
    REQUIRE(memory.at(1).error);
    CHECK(memory.at(1).error->type == "InvalidArgument");
  }
}

TEST_CASE("Classifier in bands of rows: what fails leaves the others alone", "[stream]") {
  const TemporaryFolder folder;
  const auto classifier = Classifier::from_file(save_vir(folder / "w.safetensors", config_of(3)));
  datasets::write_image(folder / "good.png", noise_image(130, 90, 3, 1));
  auto bytes = read_bytes(folder / "good.png");
  bytes.resize(bytes.size() / 2);
  write_bytes(folder / "cut.png", bytes);
  write_bytes(folder / "text.png", {'t', 'e', 'x', 't'});
  const std::vector<std::filesystem::path> paths = {folder / "good.png", folder / "cut.png", folder / "text.png",
                                                    folder / "absent.png", folder / "good.png"};
  const auto results = classifier.classify(paths, {.top_k = 2, .stream = true});
  REQUIRE(results.size() == 5);
  for (size_t i = 0; i < 5; ++i) {
    const bool broken = i >= 1 && i <= 3;
    REQUIRE(results[i].error.has_value() == broken);
    CHECK(results[i].top.size() == (broken ? 0 : 2));
    if (!broken) continue;
    CHECK(results[i].error->type == "DataError");
    CHECK_THAT(results[i].error->message, Contains(paths[i].filename().string()));
  }
  CHECK(results[0].top[0].probability == results[4].top[0].probability);
  CHECK_THAT(message_of<InvalidArgument>([&] { classifier.classify(paths, {.top_k = 0, .stream = true}); }),
             Contains("top_k is 0"));
}

TEST_CASE("Classifier in bands of rows: the pixel limit is for bands and whole pictures", "[stream]") {
  const TemporaryFolder folder;
  ClassifierOptions options;
  options.max_pixels = 100;
  const auto classifier = Classifier::from_file(save_vir(folder / "w.safetensors", config_of(3)), options);
  datasets::write_image(folder / "tall.png", noise_image(200, 25, 3, 1));
  datasets::write_image(folder / "wide.png", noise_image(8, 26, 3, 1));
  datasets::write_image(folder / "whole.jpg", noise_image(10, 11, 3, 1));
  const std::vector<std::filesystem::path> paths = {folder / "tall.png", folder / "wide.png", folder / "whole.jpg"};
  const auto results = classifier.classify(paths, {.top_k = 1, .stream = true});
  CHECK(results.at(0).top.size() == 1);
  REQUIRE(results.at(1).error);
  CHECK_THAT(results[1].error->message, Contains("wide.png is 26 pixels wide") && Contains("4 rows"));
  REQUIRE(results.at(2).error);
  CHECK_THAT(results[2].error->message, Contains("11x10") && Contains("not read in rows"));
}

TEST_CASE("Classifier refuses to stream through models that need the whole picture", "[stream]") {
  const TemporaryFolder folder;
  datasets::write_image(folder / "a.png", noise_image(40, 40, 3, 1));
  const std::vector<std::filesystem::path> paths = {folder / "a.png"};
  auto attention = config_of(3), softmax = config_of(3);
  attention.mixer = MixerKind::attention;
  softmax.release_softmax = true;
  for (const auto& weights :
       {save_random_model(folder / "rmt.safetensors", "test_rmt"), save_vir(folder / "vit.safetensors", attention),
        save_vir(folder / "softmax.safetensors", softmax)}) {
    const auto classifier = Classifier::from_file(weights);
    CHECK(classifier.classify(paths).at(0).top.size() == 5);
    CHECK_THAT(message_of<ConfigError>([&] { classifier.classify(paths, {.stream = true}); }),
               Contains(weights.string()) && Contains("vir_nano"));
    CHECK_THAT(message_of<ConfigError>(
                   [&] { classifier.classify(std::vector<vision::Image>{noise_image(9, 9, 3, 1)}, {.stream = true}); }),
               Contains("bands of rows"));
  }
}

}  // namespace
}  // namespace retentive::testing
