#include <numeric>

#include <datasets/transforms.h>
#include <models/pipelines/builtin_weights.h>
#include <models/pipelines/classifier.h>
#include <pipelines/helpers.h>
#include <support/paths.h>
#include <support/tensors.h>

namespace retentive::testing {
namespace {

using Catch::Matchers::Contains;
using models::Classification;
using models::Classifier;
using models::ClassifierOptions;

/// Probabilities by class index, whatever their rank.
std::vector<double> by_class(const std::vector<models::Prediction>& top) {
  std::vector<double> values(top.size());
  for (const auto& entry : top) values.at(static_cast<size_t>(entry.index)) = entry.probability;
  return values;
}

std::vector<double> expected_probabilities(const std::filesystem::path& weights, const std::filesystem::path& path) {
  const auto loaded = models::load_model(weights);
  const auto& preprocessing = *loaded.card.preprocessing;
  auto input = torch::empty({1, 3, preprocessing.crop[0], preprocessing.crop[1]});
  datasets::evaluation_transform(datasets::decode_image(path), preprocessing, input.data_ptr<float>());
  torch::NoGradGuard no_grad;
  const auto probabilities =
      torch::softmax(models::as_backbone(loaded.model, "weights")->forward(input).to(torch::kDouble), 1).contiguous();
  return {probabilities.data_ptr<double>(), probabilities.data_ptr<double>() + probabilities.numel()};
}

TEST_CASE("Classifier gives the softmax of the network's logits") {
  const TemporaryFolder folder;
  const auto weights = save_random_model(folder / "w.safetensors", "test_rmt");
  const auto paths = write_noise_images(folder.path(), 3);
  const auto classifier = Classifier::from_file(weights);
  for (const auto& path : paths) {
    const auto top = classifier.classify(path, 10);
    REQUIRE(top.size() == 10);
    CHECK(deviation(by_class(top), expected_probabilities(weights, path)) < 1e-6);
    for (size_t i = 1; i < top.size(); ++i) CHECK(top[i - 1].probability >= top[i].probability);
  }
}

TEST_CASE("Classifier: batches equal single images") {
  const TemporaryFolder folder;
  const auto classifier = Classifier::from_file(save_random_model(folder / "w.safetensors", "test_rmt"));
  const auto paths = write_noise_images(folder.path(), 7);
  WorstDeviation worst("batched against single images");
  for (const int64_t batch_size : {1, 2, 3, 7, 64}) {
    const auto results = classifier.classify(paths, {.top_k = 10, .batch_size = batch_size});
    REQUIRE(results.size() == paths.size());
    CHECK(deviation(by_class(results[0].top), by_class(results[6].top)) > 1e-3);
    for (size_t i = 0; i < paths.size(); ++i) {
      CHECK(results[i].path == paths[i].string());
      const auto single = by_class(classifier.classify(paths[i], 10));
      CHECK(worst.add(std::to_string(batch_size), deviation(by_class(results[i].top), single)) < 1e-5);
    }
  }
}

TEST_CASE("Classifier: images in memory equal files") {
  const TemporaryFolder folder;
  const auto classifier = Classifier::from_file(save_random_model(folder / "w.safetensors", "test_rmt"));
  std::vector<vision::Image> images;
  const auto paths = write_noise_images(folder.path(), 4);
  for (const auto& path : paths) images.push_back(datasets::decode_image(path));
  images.insert(images.begin() + 2, vision::Image{});
  const auto results = classifier.classify(images, {.top_k = 10, .batch_size = 3});
  REQUIRE(results.size() == 5);
  REQUIRE(results[2].error);
  CHECK(results[2].error->type == "InvalidArgument");
  for (const size_t i : {0, 1, 3, 4}) {
    const auto single = by_class(classifier.classify(paths[i < 2 ? i : i - 1], 10));
    CHECK(deviation(by_class(results[i].top), single) < 1e-5);
  }
}

TEST_CASE("Classifier: an input that fails leaves the others alone") {
  const TemporaryFolder folder;
  const auto classifier = Classifier::from_file(save_random_model(folder / "w.safetensors", "test_rmt"));
  auto paths = write_noise_images(folder.path(), 3);
  write_bytes(folder / "text.png", {'t', 'e', 'x', 't'});
  write_bytes(folder / "empty.jpg", {});
  paths.insert(paths.begin() + 1, {folder / "text.png", folder / "empty.jpg", folder / "absent.png"});
  for (const int64_t batch_size : {1, 2, 6}) {
    const auto results = classifier.classify(paths, {.top_k = 10, .batch_size = batch_size});
    REQUIRE(results.size() == 6);
    for (size_t i = 0; i < results.size(); ++i) {
      const bool broken = i >= 1 && i <= 3;
      REQUIRE(results[i].error.has_value() == broken);
      CHECK(results[i].top.size() == (broken ? 0 : 10));
      if (!broken) {
        CHECK(deviation(by_class(results[i].top), by_class(classifier.classify(paths[i], 10))) < 1e-5);
        continue;
      }
      CHECK(results[i].error->type == "DataError");
      CHECK_THAT(results[i].error->message, Contains(paths[i].filename().string()));
    }
  }
}

TEST_CASE("Classifier: the number of threads does not change results") {
  const TemporaryFolder folder;
  const auto weights = save_random_model(folder / "w.safetensors", "test_rmt");
  const auto path = write_noise_images(folder.path(), 1).front();
  ClassifierOptions one, two;
  one.threads = 1;
  two.threads = 2;
  const int before = at::get_num_threads();
  const auto a = Classifier::from_file(weights, one).classify(path, 10);
  CHECK(at::get_num_threads() == before);
  CHECK(deviation(by_class(a), by_class(Classifier::from_file(weights, two).classify(path, 10))) < 1e-5);
}

TEST_CASE("Classifier: class names come from the caller, else the file, else the index") {
  const TemporaryFolder folder;
  const auto image = noise_image(40, 40, 3, 9);
  const std::vector<std::string> named = {"a", "b", "c", "d", "e", "f", "g"};
  const auto bare = save_random_model(folder / "bare.safetensors", "test_rmt_scale");
  const auto labelled = save_random_model(folder / "named.safetensors", "test_rmt_scale", named);
  CHECK(Classifier::from_file(bare).labels()[6] == "class 6");
  CHECK(Classifier::from_file(labelled).labels() == named);
  for (const auto& entry : Classifier::from_file(labelled).classify(image)) {
    CHECK(entry.label == named.at(static_cast<size_t>(entry.index)));
  }
  ClassifierOptions options;
  options.labels = {"1", "2", "3", "4", "5", "6", "7"};
  CHECK(Classifier::from_file(labelled, options).labels() == options.labels);
  options.labels.pop_back();
  CHECK_THAT(message_of<ConfigError>([&] { Classifier::from_file(labelled, options); }),
             Contains("6 labels") && Contains("7 classes"));
}

TEST_CASE("Classifier: a thousand classes without names are not guessed") {
  const TemporaryFolder folder;
  auto config = std::get<vision::RmtConfig>(models::find_model("test_rmt").config);
  config.num_classes = 1000;
  models::ModelCard card;
  card.config = config;
  card.preprocessing = models::find_model("test_rmt").preprocessing;
  models::save_checkpoint(folder / "w.safetensors", *models::build(config, 1), card);
  CHECK(Classifier::from_file(folder / "w.safetensors").labels()[17] == "class 17");
}

TEST_CASE("Classifier: top_k is limited by the classes and at least 1") {
  const TemporaryFolder folder;
  const auto classifier = Classifier::from_file(save_random_model(folder / "w.safetensors", "test_rmt_scale"));
  const auto image = noise_image(33, 47, 3, 5);
  CHECK(classifier.num_classes() == 7);
  CHECK(classifier.classify(image, 1000).size() == 7);
  CHECK(classifier.classify(image, 2).size() == 2);
  CHECK_THAT(message_of<InvalidArgument>([&] { classifier.classify(image, 0); }), Contains("top_k is 0"));
  CHECK_THAT(message_of<InvalidArgument>(
                 [&] { classifier.classify(std::vector<std::filesystem::path>{}, {.top_k = 1, .batch_size = 0}); }),
             Contains("batch_size is 0"));
}

TEST_CASE("Classifier refuses what it cannot run and says what to do") {
  const TemporaryFolder folder;
  const auto weights = save_random_model(folder / "w.safetensors", "test_rmt");
  const auto load_with = [&](auto&& change) {
    ClassifierOptions options;
    change(options);
    Classifier::from_file(weights, options);
  };
  CHECK_THAT(message_of<Unsupported>([&] { load_with([](auto& o) { o.precision = Precision::int4; }); }),
             Contains("bf16") && Contains("fp32"));
  CHECK_THAT(message_of<InvalidArgument>([&] { load_with([](auto& o) { o.threads = -1; }); }), Contains("threads"));
  CHECK_THAT(message_of<InvalidArgument>([&] { load_with([](auto& o) { o.max_pixels = 0; }); }),
             Contains("max_pixels"));
  CHECK_THAT(message_of<ConfigError>([&] { load_with([](auto& o) { o.model = "test_rmt_scale"; }); }),
             Contains("test_rmt_scale") && Contains("the file (test_rmt)"));
  const auto headless = save_random_model(folder / "b.safetensors", "test_rmt_backbone");
  CHECK_THAT(message_of<ConfigError>([&] { Classifier::from_file(headless); }), Contains("without classifier"));
  CHECK_THAT(message_of<CheckpointError>([&] { Classifier::from_file(folder / "none.safetensors"); }),
             Contains("none.safetensors"));
}

TEST_CASE("Classifier: the pixel limit acts on files") {
  const TemporaryFolder folder;
  ClassifierOptions options;
  options.max_pixels = 100;
  const auto weights = save_random_model(folder / "w.safetensors", "test_rmt");
  const auto classifier = Classifier::from_file(weights, options);
  datasets::write_image(folder / "small.png", noise_image(10, 10, 3, 1));
  datasets::write_image(folder / "large.png", noise_image(10, 11, 3, 1));
  CHECK(classifier.classify(folder / "small.png").size() == 5);
  CHECK_THAT(message_of<DataError>([&] { classifier.classify(folder / "large.png"); }), Contains("11x10"));
}

TEST_CASE("Classifier by name: only built-in weights run") {
  CHECK(Classifier::from_name("rmt_nano").model_name() == "rmt_nano");
  CHECK_THAT(message_of<ConfigError>([] { Classifier::from_name("rmt_t"); }),
             Contains("rmt_t") && Contains("retentive convert") && Contains("--weights"));
  CHECK_THAT(message_of<ConfigError>([] { Classifier::from_name("rmt_x"); }), Contains("did you mean"));
}

TEST_CASE("The built-in model is an aligned digit classifier") {
  const auto bytes = models::find_builtin_weights("rmt_nano")->bytes;
  CHECK(reinterpret_cast<uintptr_t>(bytes.data()) % 64 == 0);
  CHECK(bytes.size() == std::filesystem::file_size(source_dir() + "/assets/models/rmt_nano_digits.safetensors"));
  const auto classifier = Classifier::from_default();
  CHECK(classifier.model_name() == models::kDefaultClassifier);
  CHECK(classifier.labels() == std::vector<std::string>{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"});
  CHECK(classifier.preprocessing() == models::find_model("rmt_nano").preprocessing);
}

}  // namespace
}  // namespace retentive::testing
