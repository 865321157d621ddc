#include <iostream>
#include <memory>
#include <optional>

#include <apps/command.h>
#include <apps/seed.h>
#include <models/checkpoint.h>
#include <models/model_folder.h>
#include <models/pipelines/options.h>
#include <models/pipelines/tensor_forward.h>
#include <models/registry.h>
#include <models/state_dict.h>
#include <models/tensor_io.h>
#include <retention/base/error.h>
#include <retention/base/run_files.h>
#include <retention/nn/inference.h>
#include <vision/vir.h>

namespace retentive::apps {
namespace {

struct Flags {
  std::string config;
  std::string model;
  std::string weights;
  std::optional<uint64_t> random_weights;
  std::string inputs;
  std::string outputs;
  models::PipelineOptions run;
  models::SequenceCall sequence;
  std::string sequence_flag;
  bool eager = false;
};

struct Network {
  std::shared_ptr<torch::nn::Module> model;
  models::ModelConfig config;
};

Network load(const Flags& flags) {
  models::ModelChoice choice;
  if (!flags.config.empty()) choice.config = models::read_model_config(flags.config);
  if (!flags.model.empty()) choice.name = flags.model;
  if (!flags.random_weights) {
    const auto loaded = models::load_model(flags.weights, choice);
    for (const auto& warning : loaded.report.warnings) std::cerr << "warning: " << warning << "\n";
    return {loaded.model, *loaded.card.config};
  }
  const auto config = choice.config ? *choice.config : models::find_model(flags.model).config;
  auto model = models::build(config, *flags.random_weights);
  model->eval();
  return {model, config};
}

void print_shapes(const models::NamedTensors& tensors) {
  for (const auto& [name, tensor] : tensors) std::cout << name << " " << tensor.sizes() << "\n";
}

void choose_form(vision::VirImpl& model, const Flags& flags, const models::NamedTensors& inputs) {
  if (flags.sequence.normalization) {
    throw InvalidArgument("[forward] --normalization is for language models; leave it out");
  }
  model.set_call({.form = flags.sequence.form, .chunk = flags.sequence.chunk});
  const auto* image = models::find_tensor(inputs, "image");
  if (image == nullptr || image->dim() != 4) return;  // forward_image() refuses it
  const auto tokens = model.tokens(image->size(2), image->size(3));
  const auto chosen = flags.sequence.form == Form::auto_ ? " (auto)" : "";
  std::cerr << "form: " << enum_name(model.resolve(flags.sequence.form, tokens)) << chosen << ", " << tokens
            << " tokens\n";
}

models::NamedTensors run(const Flags& flags, const Network& network, const models::NamedTensors& inputs) {
  if (const auto language = std::dynamic_pointer_cast<models::RetnetImpl>(network.model)) {
    return models::forward_tokens(*language, inputs, flags.inputs, flags.sequence, flags.run.threads);
  }
  const auto backbone = models::as_backbone(network.model, flags.weights);
  if (const auto vir = std::dynamic_pointer_cast<vision::VirImpl>(backbone)) {
    choose_form(*vir, flags, inputs);
  } else if (!flags.sequence_flag.empty()) {
    throw InvalidArgument("[forward] " + flags.sequence_flag + " is for models of sequences; leave it out");
  }
  return models::forward_image(*backbone, network.config, inputs, flags.inputs, flags.run.threads);
}

int forward(const Flags& flags) {
  RunFiles("forward")
      .read(flags.inputs)
      .read_all(models::model_files(flags.weights))
      .read(flags.config)
      .write("--outputs", flags.outputs)
      .check();
  const auto network = load(flags);
  models::check_options(flags.run, "forward", std::holds_alternative<models::RetnetConfig>(network.config));
  if (!flags.eager) nn::prepare_inference(*network.model, {.precision = flags.run.precision});
  const auto inputs = models::read_tensors(flags.inputs);
  const auto outputs = run(flags, network, inputs.tensors);
  models::write_tensors(flags.outputs, outputs);
  print_shapes(outputs);
  return kSuccess;
}

void add_sequence_flags(CLI::App& app, Flags& flags) {
  auto normalization = std::make_shared<Normalization>(Normalization::exact);
  auto* form = add_enum_option(app, "--form", flags.sequence.form, "how a sequence is computed");
  auto* chunk = app.add_option("--chunk", flags.sequence.chunk, "tokens of a chunk; default: the model's")
                    ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  auto* mode = add_enum_option(app, "--normalization", *normalization, "row scalars; default: the model's");
  mode->each([normalization, &flags](const std::string& name) {
    flags.sequence.normalization = enum_value<Normalization>(name);
  });
  for (auto* option : {form, chunk, mode}) {
    option->each([option, &flags](const std::string&) { flags.sequence_flag = option->get_name(); });
  }
}

// What CLI11 cannot say by itself about which flags go together.
void check_flags(const Flags& flags) {
  if (flags.weights.empty() && !flags.random_weights) throw CLI::RequiredError("--weights or --random-weights");
  if (flags.random_weights && flags.model.empty() && flags.config.empty()) {
    throw CLI::RequiresError("--random-weights", "--model or --config");
  }
}

}  // namespace

Command forward_command() {
  return {
      "forward", "Run a model on named tensors", [](CLI::App& app) -> Action {
        auto flags = std::make_shared<Flags>();
        auto* config = app.add_option("--config", flags->config, "model configuration (JSON)");
        app.add_option("--model", flags->model, "registered model (see `retentive models`)")->excludes(config);
        auto* weights = app.add_option("--weights", flags->weights, "weights file, .safetensors or .pth");
        app.add_option("--random-weights", flags->random_weights, "initial weights from this seed instead")
            ->check(seed_check())
            ->excludes(weights);
        app.add_option("--inputs", flags->inputs,
                       "safetensors file with image, float32 [B, C, H, W], or tokens, int64 [B, T]")
            ->required();
        app.add_option("--outputs", flags->outputs, "safetensors file to write")->required();
        app.add_option("--threads", flags->run.threads, "threads; default: all cores")->check(CLI::Range(1, 1024));
        auto* precision = add_enum_option(app, "--precision", flags->run.precision, "number type of the network");
        app.add_flag("--eager", flags->eager, "run the unpacked float model, as training does")->excludes(precision);
        add_sequence_flags(app, *flags);
        app.callback([flags] { check_flags(*flags); });
        return [flags] { return forward(*flags); };
      }};
}

}  // namespace retentive::apps
