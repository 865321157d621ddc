#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <torch/torch.h>

#include <models/checkpoint.h>
#include <models/pipelines/options.h>
#include <models/registry.h>

namespace retentive::models {

/// What a network is for: prepared for inference in the precision of the options, or as it is trained, in fp32.
enum class NetworkUse { inference, gradients };

/// A network of images with a card that says how images are preprocessed.
struct ImageNetwork {
  /// Throws as Classifier::from_file() does; also ConfigError when nothing says how images are preprocessed.
  static ImageNetwork from_file(const std::filesystem::path& weights, const PipelineOptions& options,
                                NetworkUse use = NetworkUse::inference);
  static ImageNetwork from_builtin(std::string_view model, const PipelineOptions& options,
                                   NetworkUse use = NetworkUse::inference);

  std::shared_ptr<torch::nn::Module> module;
  ModelCard card;
  std::string origin;  ///< where the weights come from, for messages
};

/// The names of all classes: `given` by the caller if any, else those of the card, else "class <index>".
/// Throws ConfigError for another number of names.
std::vector<std::string> class_names(const std::vector<std::string>& given, const ModelCard& card,
                                     const std::string& origin, int64_t classes);

/// Throws ConfigError, with the way to get weights, unless those of `row` are built in. `where` is the subcommand and
/// `pipeline` the class that take a file instead.
void require_builtin(const ModelRow& row, const std::string& where, const std::string& pipeline);

}  // namespace retentive::models
