#include <models/pipelines/detector.h>

#include <algorithm>
#include <future>
#include <new>
#include <utility>

#include <datasets/detection_transforms.h>
#include <datasets/image_io.h>
#include <models/detection/detections.h>
#include <models/nearest.h>
#include <models/pipelines/builtin_weights.h>
#include <models/pipelines/detail/image_network.h>
#include <models/pipelines/detail/inference_scope.h>
#include <models/registry.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

// Which classes are wanted, by label.
std::vector<bool> wanted_classes(const std::vector<std::string>& names, const std::vector<std::string>& labels) {
  if (names.empty()) return {};
  std::vector<bool> wanted(labels.size(), false);
  for (const auto& name : names) {
    const auto found = std::find(labels.begin(), labels.end(), name);
    if (found == labels.end()) {
      throw ConfigError("[detect] the model knows no class \"" + name + "\"; did you mean \"" +
                        nearest_name(name, labels) + "\"?");
    }
    wanted[static_cast<size_t>(found - labels.begin())] = true;
  }
  return wanted;
}

// A decoded image, or why there is none.
struct Decoded {
  vision::Image image;
  std::optional<ItemError> error;
};

}  // namespace

class Detector::Impl {
 public:
  Impl(ImageNetwork network, const DetectorOptions& options)
      : network_(std::move(network)),
        detector_(as_detector(network_.module, network_.origin)),
        threads_(options.threads),
        decode_{.max_pixels = options.max_pixels, .ignore_orientation = options.ignore_orientation},
        score_threshold_(options.score_threshold) {
    if (!(score_threshold_ >= 0 && score_threshold_ <= 1)) {
      throw InvalidArgument("[detect] score_threshold is " + std::to_string(score_threshold_) + "; 0 to 1 is accepted");
    }
    datasets::check_detection_preprocessing(preprocessing());
    labels_ = class_names(options.labels, network_.card, network_.origin, detector_->num_classes());
    wanted_ = wanted_classes(options.classes, labels_);
  }

  std::vector<vision::Detection> detect(const vision::Image& image) const {
    const InferenceScope scope(threads_);
    auto input = datasets::detection_input(image, preprocessing(), vision::DetectorImpl::kSizeDivisor);
    const auto tensor = torch::from_blob(input.values.data(), {1, input.channels, input.height, input.width});
    const auto objects = detector_->detect(tensor, {{input.resized.height, input.resized.width}}).front();
    auto detections =
        to_detections(filtered(objects), {input.resized, image.height, image.width}, detector_->mask_threshold());
    return detections;
  }

  Decoded decode(const std::filesystem::path& path) const {
    return guarded<Decoded>(path, [&] { return Decoded{decode_image(path), std::nullopt}; });
  }
  vision::Image decode_image(const std::filesystem::path& path) const { return datasets::decode_image(path, decode_); }

  ImageDetections detect(const std::filesystem::path& path, const Decoded& decoded) const {
    ImageDetections result = guarded<ImageDetections>(path, [&] {
      ImageDetections item;
      item.error = decoded.error;
      item.height = decoded.image.height;
      item.width = decoded.image.width;
      if (!item.error) item.detections = detect(decoded.image);
      return item;
    });
    result.path = path.string();
    return result;
  }

  const std::string& model_name() const { return network_.card.name; }
  const std::vector<std::string>& labels() const { return labels_; }
  const vision::Preprocessing& preprocessing() const { return *network_.card.preprocessing; }
  bool has_masks() const { return detector_->has_masks(); }

 private:
  // What the caller wants of what was found, so that masks are made of nothing else.
  vision::DetectedObjects filtered(const vision::DetectedObjects& objects) const {
    auto keep = objects.scores >= score_threshold_;
    if (!wanted_.empty()) {
      for (int64_t i = 0; i < keep.size(0); ++i) {
        if (!wanted_[static_cast<size_t>(objects.labels[i].item<int64_t>())]) keep[i] = false;
      }
    }
    const auto index = keep.nonzero().squeeze(1);
    const auto of = [&](const torch::Tensor& all) { return all.defined() ? all.index_select(0, index) : all; };
    return {of(objects.boxes), of(objects.scores), of(objects.labels), of(objects.masks)};
  }

  template <class Result, class Make>
  Result guarded(const std::filesystem::path& path, const Make& make) const {
    Result failed;
    try {
      return make();
    } catch (const Error& error) {
      failed.error = ItemError{error.kind(), error.what()};
    } catch (const std::bad_alloc&) {
      failed.error = ItemError{"DataError", "[detect] " + path.string() + " does not fit into memory; scale it down"};
    }
    return failed;
  }

  ImageNetwork network_;
  std::shared_ptr<vision::DetectorImpl> detector_;
  int64_t threads_;
  datasets::DecodeOptions decode_;
  double score_threshold_;
  std::vector<std::string> labels_;
  std::vector<bool> wanted_;
};

Detector Detector::from_file(const std::filesystem::path& weights, const DetectorOptions& options) {
  return Detector(std::make_unique<Impl>(ImageNetwork::from_file(weights, options), options));
}

Detector Detector::from_default(const DetectorOptions& options) { return from_name(kDefaultDetector, options); }

Detector Detector::from_name(const std::string& name, const DetectorOptions& options) {
  const ModelRow& row = find_model(name);
  require_builtin(row, "detect", "Detector");
  return Detector(std::make_unique<Impl>(ImageNetwork::from_builtin(row.name, options), options));
}

Detector::Detector(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Detector::Detector(Detector&&) noexcept = default;
Detector& Detector::operator=(Detector&&) noexcept = default;
Detector::~Detector() = default;

std::vector<vision::Detection> Detector::detect(const vision::Image& image) const { return impl_->detect(image); }

std::vector<vision::Detection> Detector::detect(const std::filesystem::path& path) const {
  return impl_->detect(impl_->decode_image(path));
}

void Detector::detect_each(std::span<const std::filesystem::path> paths,
                           const std::function<void(ImageDetections&&, const vision::Image&)>& sink,
                           const std::atomic<bool>* stop) const {
  const auto read = [this](const std::filesystem::path& path) {
    return std::async(std::launch::async, [this, path] { return impl_->decode(path); });
  };
  std::future<Decoded> next;
  if (!paths.empty()) next = read(paths[0]);
  for (size_t i = 0; i < paths.size(); ++i) {
    if (stop != nullptr && *stop) return;
    const auto decoded = next.get();
    if (i + 1 < paths.size()) next = read(paths[i + 1]);
    sink(impl_->detect(paths[i], decoded), decoded.image);
  }
}

const std::string& Detector::model_name() const { return impl_->model_name(); }
const std::vector<std::string>& Detector::labels() const { return impl_->labels(); }
const vision::Preprocessing& Detector::preprocessing() const { return impl_->preprocessing(); }
bool Detector::has_masks() const { return impl_->has_masks(); }

}  // namespace retentive::models
