#include <models/training/run_model.h>

#include <algorithm>

#include <datasets/transforms.h>
#include <models/checkpoint.h>
#include <models/registry.h>
#include <models/training/class_rows.h>
#include <models/vit_keys.h>
#include <retention/base/error.h>
#include <vision/rmt.h>

namespace retentive::models {
namespace {

void fit_classes(vision::RmtConfig& config, int64_t num_classes) {
  if (config.head != vision::RmtHead::classifier) {
    throw Unsupported("[train] the model has head " + std::string(enum_name(config.head)) +
                      "; \"classifier\" is trained on class labels; set model.config.head or name another model");
  }
  config.num_classes = num_classes;
}

void fit_classes(vision::VirConfig& config, int64_t num_classes) { config.num_classes = num_classes; }

void fit_classes(RetnetConfig&, int64_t) {
  throw ConfigError(
      "[train] the model is a language model and the data are labelled images; name a vision model, or set data.kind "
      "to \"text\"");
}

[[noreturn]] void refuse_detector() {
  throw ConfigError("[train] the model is a detector and the data are labelled images; set data.kind to \"coco\"");
}

void fit_classes(vision::RetinanetConfig&, int64_t) { refuse_detector(); }
void fit_classes(vision::MaskRcnnConfig&, int64_t) { refuse_detector(); }

// A classifier made for other classes starts fresh; anything else that does not fit means a wrong file.
std::vector<std::string> load_initial_weights(vision::BackboneImpl& model, const std::string& path,
                                              const std::vector<std::string>& classes) {
  auto checkpoint = read_checkpoint(path);
  auto notes = checkpoint.warnings;
  for (auto& note : match_class_rows(checkpoint, model, classes)) notes.push_back(std::move(note));
  auto* vir = dynamic_cast<vision::VirImpl*>(&model);
  if (vir != nullptr && vir->config().mixer == MixerKind::retention && is_vit(checkpoint.tensors)) {
    for (auto& note : start_from_vit(*vir, checkpoint)) notes.push_back(std::move(note));
    return notes;
  }
  const auto expected = match_state(model, checkpoint);
  const auto in_head = [&model](const std::string& name) { return model.layer_of(name) == model.num_layers() - 1; };
  const bool fits = std::all_of(expected.missing.begin(), expected.missing.end(), in_head) &&
                    std::all_of(expected.reshaped.begin(), expected.reshaped.end(),
                                [&](const Mismatch& mismatch) { return in_head(mismatch.name); });
  if (!fits || expected.loaded.empty()) {
    throw CheckpointError("[train] model.weights \"" + path +
                          "\" does not fit the model below its head; weights of the same architecture are accepted; "
                          "set model.name or model.config to that of the file\n" +
                          expected.diff());
  }
  load_state(model, checkpoint, {.strict = false});
  return notes;
}

void set_form(vision::BackboneImpl& model, const ModelSection& section) {
  if (auto* vir = dynamic_cast<vision::VirImpl*>(&model)) return vir->set_call({section.form, section.chunk});
  auto* rmt = dynamic_cast<vision::RmtImpl*>(&model);
  if (rmt != nullptr && rmt->config().mixer == vision::RmtMixer::retention && section.chunk == 0) {
    return rmt->set_form(section.form);
  }
  if (section.form == Form::auto_ && section.chunk == 0) return;
  throw ConfigError("[train] model.form or model.chunk is set and the model has no causal retention; remove them");
}

}  // namespace

Architecture architecture_of(const RunConfig& run) {
  Architecture result;
  if (run.model.config) {
    result.config = *run.model.config;
  } else {
    const auto& row = find_model(run.model.name);
    result = {row.config, row.preprocessing};
  }
  if (run.preprocessing) result.preprocessing = *run.preprocessing;
  return result;
}

void check_input(const Architecture& architecture) {
  datasets::check_preprocessing(architecture.preprocessing);
  const auto channels = static_cast<int64_t>(architecture.preprocessing.mean.size());
  if (channels == in_channels(architecture.config)) return;
  throw ConfigError("[train] preprocessing.mean has " + std::to_string(channels) + " entries and the model takes " +
                    std::to_string(in_channels(architecture.config)) +
                    " channels; they must be equal; set preprocessing or in_channels of model.config");
}

RunModel build_run_model(const RunConfig& config, const std::vector<std::string>& classes) {
  const auto num_classes = static_cast<int64_t>(classes.size());
  auto architecture = architecture_of(config);
  std::visit([num_classes](auto& model) { fit_classes(model, num_classes); }, architecture.config);
  check_input(architecture);
  RunModel result{std::move(architecture.config), std::move(architecture.preprocessing), nullptr, {}};
  result.model = build_backbone(result.config, static_cast<uint64_t>(config.run.seed));
  set_form(*result.model, config.model);
  if (!config.model.weights.empty()) result.notes = load_initial_weights(*result.model, config.model.weights, classes);
  return result;
}

}  // namespace retentive::models
