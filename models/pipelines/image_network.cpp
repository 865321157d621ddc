#include <datasets/transforms.h>
#include <models/pipelines/builtin_weights.h>
#include <models/pipelines/detail/image_network.h>
#include <retention/base/error.h>
#include <retention/nn/finite.h>
#include <retention/nn/inference.h>

namespace retentive::models {
namespace {

ModelChoice choice_of(const PipelineOptions& options) {
  ModelChoice choice;
  if (!options.model.empty()) choice.name = options.model;
  return choice;
}

void check_card(const ModelCard& card, const std::string& origin) {
  if (kind_of(*card.config) == ModelKind::language) {
    throw ConfigError(
        "[weights] " + origin + " holds a language model (" + std::string(family_name(*card.config)) +
        "), which takes no images; give an RMT, a ViR or a detector, or run it with `retentive generate`");
  }
  if (!card.preprocessing) {
    throw ConfigError("[weights] " + origin +
                      " does not say how images are preprocessed; convert it with `retentive convert --model NAME`, "
                      "which writes that into the file");
  }
  datasets::check_preprocessing(*card.preprocessing);
  const auto given = static_cast<int64_t>(card.preprocessing->mean.size());
  if (given != in_channels(*card.config)) {
    throw ConfigError("[weights] " + origin + ": the preprocessing feeds " + std::to_string(given) +
                      " channels (entries of mean) but the model has in_channels = " +
                      std::to_string(in_channels(*card.config)) + "; both must be equal: write the file anew");
  }
}

ImageNetwork ready(LoadedModel loaded, std::string origin, const PipelineOptions& options, NetworkUse use) {
  check_card(loaded.card, origin);
  loaded.model->eval();
  if (use == NetworkUse::inference) {
    nn::prepare_inference(*loaded.model, {.precision = options.precision});
  } else {
    nn::check_finite_weights(*loaded.model, origin);
  }
  return {std::move(loaded.model), std::move(loaded.card), std::move(origin)};
}

}  // namespace

ImageNetwork ImageNetwork::from_file(const std::filesystem::path& weights, const PipelineOptions& options,
                                     NetworkUse use) {
  check_options(options, "weights");
  return ready(load_model(weights, choice_of(options)), weights.string(), options, use);
}

ImageNetwork ImageNetwork::from_builtin(std::string_view model, const PipelineOptions& options, NetworkUse use) {
  check_options(options, "weights");
  const auto checkpoint = read_builtin_checkpoint(model, "weights");
  return ready(load_model(checkpoint, choice_of(options)), checkpoint.path, options, use);
}

std::vector<std::string> class_names(const std::vector<std::string>& given, const ModelCard& card,
                                     const std::string& origin, int64_t classes) {
  std::vector<std::string> names = given.empty() ? card.labels : given;
  if (!names.empty() && static_cast<int64_t>(names.size()) != classes) {
    throw ConfigError(std::string("[labels] ") + (given.empty() ? "the card holds " : "the caller gives ") +
                      std::to_string(names.size()) + " labels but " + origin + " has " + std::to_string(classes) +
                      " classes; give one label per class, in the order of the classes");
  }
  for (auto index = static_cast<int64_t>(names.size()); index < classes; ++index) {
    names.push_back("class " + std::to_string(index));
  }
  return names;
}

void require_builtin(const ModelRow& row, const std::string& where, const std::string& pipeline) {
  if (find_builtin_weights(row.name) != nullptr) return;
  throw ConfigError("[" + where + "] " + row.name + " has no weights built in; its weights: " + row.weights_note +
                    "; give a weights file instead of the name (--weights FILE.safetensors, " + pipeline +
                    "::from_file)");
}

}  // namespace retentive::models
