#include <datasets/composites.h>

#include <cstdio>
#include <string>

#include <datasets/detail/composite_scene.h>
#include <datasets/detail/composite_sources.h>
#include <datasets/random.h>
#include <retention/base/error.h>

namespace retentive::datasets {

namespace {

[[noreturn]] void refuse(const std::string& name, const std::string& value, const std::string& accepted) {
  throw ConfigError("[composites] " + name + " is " + value + "; " + accepted + " is accepted");
}

std::string text(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%g", value);
  return buffer;
}

void check_number(const char* name, double value, double low, double high) {
  if (value >= low && value <= high) return;
  refuse(name, text(value), text(low) + " to " + text(high));
}

template <class T>
void check_range(const char* name, const std::array<T, 2>& range, T low, T high) {
  if (range[0] >= low && range[0] <= range[1] && range[1] <= high) return;
  const auto number = [](T value) { return text(static_cast<double>(value)); };
  refuse(name, "[" + number(range[0]) + ", " + number(range[1]) + "]",
         "a range [min, max] within " + number(low) + " to " + number(high));
}

void check_splits(const CompositeOptions& options) {
  constexpr int64_t kMostImages = 10'000'000;
  int64_t total = 0;
  for (int split = 0; split < 3; ++split) {
    const std::string name = kCompositeSplits[split];
    check_number(("images of " + name).c_str(), static_cast<double>(options.images[split]), 0, kMostImages);
    check_number(("share of " + name).c_str(), options.shares[split], 0.001, 1);
    total += options.images[split];
  }
  if (total == 0) refuse("images", "0 for every split", "at least one image of one split");
}

}  // namespace

void check_composites(const CompositeOptions& options) {
  check_splits(options);
  check_range<int64_t>("height", options.height, 16, 8192);
  check_range<int64_t>("width", options.width, 16, 8192);
  check_range<int64_t>("objects", options.objects, 0, 1000);
  check_range("scale", options.scale, 0.005, 1.0);
  check_number("rotation", options.rotation, 0, 180);
  check_number("flip", options.flip, 0, 1);
  check_number("jitter", options.jitter, 0, 1);
  check_number("max_overlap", options.max_overlap, 0, 1);
  check_number("min_visible", options.min_visible, 0, 1);
  check_number("truncation", options.truncation, 0, 0.95);
  check_number("feather", options.feather, 0, 20);
  check_number("contrast", options.contrast, 0, 1);
  check_number("outline", options.outline, 0, 1);
  check_number("background_crop", options.background_crop, 0.01, 1);
  check_number("background_flip", options.background_flip, 0, 1);
  check_number("background_jitter", options.background_jitter, 0, 1);
  check_number("background_size", static_cast<double>(options.background_size), 16, 16384);
  check_number("quality", static_cast<double>(options.quality), 1, 100);
  if (options.format != "jpg" && options.format != "png") refuse("format", "\"" + options.format + "\"", "jpg or png");
}

std::string composite_name(const CompositeOptions& options, int64_t index) {
  char name[40];
  std::snprintf(name, sizeof name, "%06lld.", static_cast<long long>(index));
  return name + options.format;
}

class Composites::Impl {
 public:
  Impl(const CompositeInputs& inputs_given, const CompositeOptions& given)
      : inputs(inputs_given), options((check_composites(given), given)), sources(inputs, options) {}

  const CompositeInputs inputs;
  const CompositeOptions options;
  const detail::CompositeSources sources;
};

Composites::Composites(const CompositeInputs& inputs, const CompositeOptions& options)
    : impl_(std::make_unique<Impl>(inputs, options)) {}
Composites::Composites(Composites&&) noexcept = default;
Composites::~Composites() = default;

const CompositeInputs& Composites::inputs() const { return impl_->inputs; }
const CompositeOptions& Composites::options() const { return impl_->options; }
const std::vector<std::string>& Composites::class_names() const { return impl_->sources.class_names(); }
const std::vector<std::string>& Composites::duplicates() const { return impl_->sources.duplicates(); }

CompositeLists Composites::lists(int split) const {
  if (split < 0 || split > 2) {
    throw InvalidArgument("[composites] split is " + std::to_string(split) + "; 0 to 2 is accepted");
  }
  CompositeLists lists;
  for (int64_t label = 0; label < std::ssize(class_names()); ++label) {
    for (const auto& source : impl_->sources.objects(split, label)) lists.objects.push_back(source.name);
  }
  for (const auto& source : impl_->sources.photos(split)) lists.backgrounds.push_back(source.name);
  return lists;
}

DetectionSample Composites::make(int split, int64_t index) const {
  const CompositeOptions& options = impl_->options;
  if (split < 0 || split > 2 || index < 0 || index >= options.images[split]) {
    throw InvalidArgument("[composites] image " + std::to_string(index) + " of split " + std::to_string(split) +
                          " does not exist; splits 0 to 2 have " + std::to_string(options.images[0]) + ", " +
                          std::to_string(options.images[1]) + " and " + std::to_string(options.images[2]) + " images");
  }
  Rng rng(derive_seed(options.seed, split, index));
  detail::CompositeScene scene(impl_->sources, options, split, rng);
  const int64_t objects = options.objects[0] + uniform_below(rng, options.objects[1] - options.objects[0] + 1);
  for (int64_t i = 0; i < objects && scene.add_object(); ++i) {
  }
  DetectionSample sample = scene.take();
  sample.name = composite_name(options, index);
  sample.image_id = index + 1;
  return sample;
}

}  // namespace retentive::datasets
