#include <models/convert.h>

#include <map>
#include <string_view>

#include <models/labels.h>
#include <models/registry.h>
#include <models/sha256.h>
#include <models/tensor_io.h>
#include <models/upstream_keys.h>
#include <retention/base/error.h>
#include <retention/base/output_target.h>

namespace retentive::models {
namespace {

void check_paths(const std::filesystem::path& in, const std::filesystem::path& out, bool overwrite) {
  if (!replaces_file(out)) return;
  std::error_code error;
  if (std::filesystem::equivalent(in, out, error)) {
    throw InvalidArgument("[convert] " + out.string() + " is the input itself; give another output path");
  }
  if (!overwrite) {
    throw InvalidArgument("[convert] " + out.string() +
                          " exists; choose another output path or replace it with --force");
  }
}

// The configuration when something says what the model is; a file without one is no error here.
std::optional<ModelConfig> find_config(const Checkpoint& checkpoint, const ModelChoice& choice, ConvertReport& report) {
  const bool known = choice.name || choice.config || checkpoint.card.config;
  if (known) return resolve_config(checkpoint, choice);
  const Identification found = identify(checkpoint.tensors);
  if (!found.config) {
    report.warnings.push_back("the tensors fit no registered model (" + found.reason +
                              "); written without configuration: give --model NAME or --config FILE to add it");
  }
  return found.config;
}

void set_labels(ModelCard& card, const std::vector<std::string>& given) {
  if (given.empty()) return;
  if (card.config && static_cast<int64_t>(given.size()) != num_classes(*card.config)) {
    throw ConfigError("[convert] " + std::to_string(given.size()) + " labels are given, but the model has " +
                      std::to_string(num_classes(*card.config)) + " classes; give one name for each class");
  }
  card.labels = given;
}

// The file's tensors in the model's order, values untouched; a batch counter that the file lacks becomes 0.
NamedTensors in_model_order(const torch::nn::Module& model, const NamedTensors& tensors, const LoadReport& match) {
  std::map<std::string_view, const torch::Tensor*> file;
  for (const auto& name : match.loaded) file.emplace(name, find_tensor(tensors, name));
  NamedTensors ordered;
  for (const auto& [name, tensor] : state_dict(model)) {
    const auto found = file.find(name);
    if (found != file.end()) {
      ordered.push_back({name, *found->second});
    } else if (name.ends_with("num_batches_tracked")) {
      ordered.push_back({name, torch::zeros_like(tensor)});
    }
  }
  return ordered;
}

void warn_of_values(const NamedTensors& tensors, ConvertReport& report) {
  const auto names = non_finite_tensors(tensors);
  if (names.empty()) return;
  report.warnings.push_back(std::to_string(names.size()) + " tensors hold infinite or NaN values, the first is " +
                            names.front() + "; the source file is probably damaged or its training diverged");
}

}  // namespace

std::vector<std::string> non_finite_tensors(const NamedTensors& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) {
    if (tensor.is_floating_point() && !tensor.isfinite().all().item<bool>()) names.push_back(name);
  }
  return names;
}

ConvertReport convert(const std::filesystem::path& in, const std::filesystem::path& out,
                      const ConvertOptions& options) {
  check_paths(in, out, options.overwrite);
  const Checkpoint checkpoint = read_checkpoint(in, options.prefer);
  ConvertReport report;
  report.taken = checkpoint.taken;
  report.warnings = checkpoint.warnings;
  report.card = checkpoint.card;
  report.card.config = find_config(checkpoint, options.choice, report);
  if (report.card.source.empty()) {  // a file converted before keeps naming its first source
    const bool folder = std::filesystem::is_directory(in);
    const auto named = folder ? std::filesystem::absolute(in).lexically_normal() / "" : in;
    const auto name = folder ? named.parent_path().filename() : in.filename();
    report.card.source = name.string() + (report.taken.empty() ? "" : " (" + report.taken + ")");
    if (!folder) report.card.source_sha256 = sha256_file(in);
  }
  NamedTensors tensors = checkpoint.tensors;
  if (report.card.config) {
    complete_card(report.card, checkpoint, options.choice);
    const auto model = build_uninitialized(*report.card.config);
    report.match = match_state(*model, checkpoint);
    if (options.strict) require_complete(report.match, checkpoint.path);
    report.warnings.insert(report.warnings.end(), report.match.warnings.begin(), report.match.warnings.end());
    tensors = in_model_order(*model, checkpoint.tensors, report.match);
  }
  set_labels(report.card, options.labels);
  if (!options.license.empty()) report.card.license = options.license;
  warn_of_values(tensors, report);
  report.tensors = tensors.size();
  if (report.card.config || options.type) {
    save_checkpoint(out, tensors, report.card, options.type.value_or(SaveType::f32));
  } else {
    write_tensors(out, tensors, card_metadata(report.card));
  }
  return report;
}

}  // namespace retentive::models
