#include <datasets/image_io.h>
#include <datasets/transforms.h>
#include <models/pipelines/detail/image_model.h>
#include <retention/base/error.h>
#include <vision/vir_stream.h>

namespace retentive::models {

ImageModel ImageModel::from_file(const std::filesystem::path& weights, const PipelineOptions& options) {
  return {ImageNetwork::from_file(weights, options), options};
}

ImageModel ImageModel::from_builtin(std::string_view model, const PipelineOptions& options) {
  return {ImageNetwork::from_builtin(model, options), options};
}

ImageModel::ImageModel(ImageNetwork network, const PipelineOptions& options)
    : network_(as_backbone(network.module, network.card.name)),
      card_(std::move(network.card)),
      origin_(std::move(network.origin)),
      threads_(options.threads),
      max_pixels_(options.max_pixels) {}

vision::Image ImageModel::decode(const std::filesystem::path& path) const {
  return datasets::decode_image(path, {.max_pixels = max_pixels_});
}

torch::Tensor ImageModel::prepare(const vision::Image& image, bool keep_size) const {
  const auto& preprocessing = *card_.preprocessing;
  const auto channels = static_cast<int64_t>(preprocessing.mean.size());
  if (!keep_size) {
    auto out = torch::empty({1, channels, preprocessing.crop[0], preprocessing.crop[1]});  // [1, C, H, W]
    datasets::evaluation_transform(image, preprocessing, out.data_ptr<float>());
    return out;
  }
  const auto converted = datasets::to_input_channels(image, preprocessing);
  auto out = torch::empty({1, channels, image.height, image.width});  // [1, C, H, W]
  datasets::normalise(converted, preprocessing, out.data_ptr<float>());
  return out;
}

// Null for a network that needs all of a picture at once.
std::shared_ptr<vision::VirImpl> ImageModel::streamable() const {
  auto vir = std::dynamic_pointer_cast<vision::VirImpl>(network_);
  const bool softmax = vir && vir->resolve(Form::auto_, INT64_MAX) == Form::parallel;
  return softmax ? nullptr : vir;
}

void ImageModel::check_streams() const {
  if (streamable()) return;
  throw ConfigError("[stream] " + origin_ + " holds " + (card_.name.empty() ? "a model" : card_.name) +
                    ", which needs all of a picture at once; a ViR with retention (vir_nano, vir_t, ...) takes it in "
                    "bands of rows: give such a model, or do without streaming");
}

datasets::OpenedRows ImageModel::open(const std::filesystem::path& path) const {
  return datasets::open_rows(path, {.max_pixels = max_pixels_});
}

torch::Tensor ImageModel::stream(vision::RowSource& rows, const std::string& name) const {
  const vision::Vir vir(streamable());
  const auto patch = vir->config().patch_size;
  if (rows.width() > max_pixels_ / patch) {
    throw DataError("[stream] " + name + " is " + std::to_string(rows.width()) + " pixels wide; bands of " +
                    std::to_string(patch) + " rows, one patch, within the limit of " + std::to_string(max_pixels_) +
                    " pixels are accepted: cut it into parts, or raise max_pixels");
  }
  vision::VirStream stream(vir, rows.height(), rows.width());
  stream.read(rows, preprocessing());
  return stream.logits();
}

}  // namespace retentive::models
