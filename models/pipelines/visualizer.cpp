#include <models/pipelines/visualizer.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include <models/nearest.h>
#include <models/pipelines/detail/explain.h>
#include <models/pipelines/detail/visual_model.h>
#include <models/registry.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

using torch::Tensor;

// Later maps tell classes apart better, even at so few rows and columns.
constexpr int64_t kLegibleClassMap = 4;

Place without_token(Place place) {
  place.token.reset();
  return place;
}

FloatMap to_map(const Tensor& values) {  // [h, w]
  const auto dense = values.detach().to(torch::kFloat).contiguous();
  const float* data = dense.const_data_ptr<float>();
  return {dense.size(0), dense.size(1), {data, data + dense.numel()}};
}

std::string words_for(Reach reach) {
  if (reach == Reach::manhattan) return "rows plus columns between two tokens";
  if (reach == Reach::rectangle) return "rows plus columns up and to the left";
  return "tokens back along the rows";
}

PipelineOptions pipeline_options(const VisualizerOptions& options) {
  PipelineOptions converted;
  converted.model = options.model;
  converted.max_pixels = options.max_pixels;
  return converted;
}

}  // namespace

Visualizer Visualizer::from_file(const std::filesystem::path& weights, const VisualizerOptions& options) {
  auto network = ImageNetwork::from_file(weights, pipeline_options(options), NetworkUse::gradients);
  return Visualizer(std::make_unique<Impl>(std::move(network), options.max_pixels));
}

Visualizer Visualizer::from_name(const std::string& name, const VisualizerOptions& options) {
  const ModelRow& row = find_model(name);
  require_builtin(row, "visualize", "Visualizer");
  auto network = ImageNetwork::from_builtin(row.name, pipeline_options(options), NetworkUse::gradients);
  return Visualizer(std::make_unique<Impl>(std::move(network), options.max_pixels));
}

Visualizer::Visualizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Visualizer::Visualizer(Visualizer&&) noexcept = default;
Visualizer& Visualizer::operator=(Visualizer&&) noexcept = default;
Visualizer::~Visualizer() = default;

std::vector<VisualKind> Visualizer::kinds() const {
  std::vector<VisualKind> found;
  for (const auto& [kind, name] : EnumNames<VisualKind>::table) {
    if (impl_->lack(kind).empty()) found.push_back(kind);
  }
  return found;
}

void Visualizer::require(VisualKind kind) const { impl_->require(kind); }
void Visualizer::check(const Place& place) const { impl_->check(place); }

int64_t Visualizer::find_class(const std::string& label_or_index) const {
  require(VisualKind::grad_cam);
  const auto& names = labels();
  const auto found = std::find(names.begin(), names.end(), label_or_index);
  if (found != names.end()) return found - names.begin();
  int64_t index = -1;
  const char* end = label_or_index.data() + label_or_index.size();
  const auto parsed = std::from_chars(label_or_index.data(), end, index);
  if (parsed.ec == std::errc() && parsed.ptr == end && index >= 0 && index < std::ssize(names)) return index;
  throw ConfigError("[visualize] the model knows no class \"" + label_or_index + "\"; did you mean \"" +
                    nearest_name(label_or_index, names) + "\"? An index from 0 to " + std::to_string(names.size() - 1) +
                    " is accepted too");
}

vision::Image Visualizer::decode(const std::filesystem::path& path) const { return impl_->decode(path); }
vision::Image Visualizer::view(const vision::Image& image) const { return impl_->view(image); }

DecayMaps Visualizer::decay(const vision::Image& image, const Place& place) const {
  require(VisualKind::decay);
  const auto spot = impl_->find_spot(impl_->input(image), place);
  const auto law = impl_->probe().decay(spot.stage - 1);
  const auto maps = decay_map(law, spot.height, spot.width, spot.row, spot.column);  // [N, h, w]
  DecayMaps found{spot, words_for(law.reach), {}};
  for (int64_t n = 0; n < maps.size(0); ++n) {
    const auto log_gamma = law.log_gamma[n].item<double>();
    found.heads.push_back({std::exp(log_gamma), std::log(0.5) / log_gamma, to_map(maps[n])});
  }
  return found;
}

AttentionMaps Visualizer::attention(const vision::Image& image, const Place& place) const {
  require(VisualKind::attention);
  const torch::NoGradGuard no_gradients;
  const auto input = impl_->input(image);
  const auto spot = impl_->find_spot(input, place);
  const auto mixing = impl_->probe().mixing(input.tensor, spot.stage - 1, spot.block - 1);
  const auto maps = mixing.weights(spot.row, spot.column)
                        .narrow(1, 0, spot.height * spot.width)
                        .unflatten(1, {spot.height, spot.width});  // [N, h, w]
  AttentionMaps found{spot, mixing.is_signed, {}};
  for (int64_t n = 0; n < maps.size(0); ++n) {
    found.heads.push_back({to_map(maps[n]), {}, {}, maps[n].abs().max().item<float>()});
  }
  if (!mixing.row_weights) return found;
  const auto rows = mixing.row_weights(spot.row, spot.column);        // [N, w]
  const auto columns = mixing.column_weights(spot.row, spot.column);  // [N, h]
  for (int64_t n = 0; n < maps.size(0); ++n) {
    found.heads[static_cast<size_t>(n)].row = to_map(rows[n].unsqueeze(0));
    found.heads[static_cast<size_t>(n)].column = to_map(columns[n].unsqueeze(1));
  }
  return found;
}

SpotMap Visualizer::receptive_field(const vision::Image& image, const Place& place) const {
  const auto input = impl_->input(image);
  const auto spot = impl_->find_spot(input, place);
  const auto pixels = input.tensor.clone().requires_grad_();
  const auto map = impl_->probe().map_after(pixels, spot.stage - 1, spot.block - 1);
  const auto field = input_gradient(map, pixels, spot.row, spot.column);
  return {spot, to_map(field.narrow(0, 0, input.view_height).narrow(1, 0, input.view_width))};
}

ClassMap Visualizer::grad_cam(const vision::Image& image, std::optional<int64_t> class_index,
                              const Place& place) const {
  require(VisualKind::grad_cam);
  const auto input = impl_->input(image);
  auto spot = impl_->find_spot(input, without_token(place), kLegibleClassMap);
  const auto& probe = impl_->probe();
  if (spot.stage == probe.stages()) spot.block = std::min(spot.block, probe.last_class_block() + 1);
  const auto [features, logits] = probe.evidence(input.tensor, spot.stage - 1, spot.block - 1);
  const auto count = static_cast<int64_t>(labels().size());
  const auto index = class_index.value_or(logits.argmax(1).item<int64_t>());
  if (index < 0 || index >= count) {
    throw InvalidArgument("[visualize] class is " + std::to_string(index) + "; 0 to " + std::to_string(count - 1) +
                          " is accepted");
  }
  const auto gradient = torch::autograd::grad({logits[0][index]}, {features}).front();
  const auto of_grid = [&](const Tensor& tokens) { return tokens[0].narrow(0, 0, spot.height * spot.width); };
  const auto activation = class_activation(of_grid(features), of_grid(gradient));
  return {spot, index, labels()[static_cast<size_t>(index)], torch::softmax(logits[0], 0)[index].item<double>(),
          to_map(activation.unflatten(0, {spot.height, spot.width}))};
}

FeatureColours Visualizer::features(const vision::Image& image, const Place& place) const {
  const torch::NoGradGuard no_gradients;
  const auto input = impl_->input(image);
  const auto spot = impl_->find_spot(input, without_token(place));
  const auto map = impl_->probe().map_after(input.tensor, spot.stage - 1, spot.block - 1)[0];
  const auto found = principal_components(map.flatten(0, 1));
  FeatureColours colours{spot, {}, found.shares};
  for (int64_t i = 0; i < 3; ++i) {
    colours.components[static_cast<size_t>(i)] = to_map(found.scores[i].unflatten(0, {spot.height, spot.width}));
  }
  return colours;
}

const std::string& Visualizer::model_name() const { return impl_->card().name; }
const std::vector<std::string>& Visualizer::labels() const { return impl_->labels(); }

}  // namespace retentive::models
