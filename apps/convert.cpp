#include <iostream>
#include <memory>
#include <string>

#include <apps/command.h>
#include <models/convert.h>
#include <models/labels.h>
#include <models/model_folder.h>
#include <retention/base/run_files.h>

namespace retentive::apps {
namespace {

struct ConvertArguments {
  std::string in;
  std::string out;
  std::string model;
  std::string config;
  std::string labels;
  bool no_strict = false;
  models::SaveType type = models::SaveType::f32;
  bool type_given = false;
  models::ConvertOptions options;
};

void print_report(const ConvertArguments& arguments, const models::ConvertReport& report) {
  for (const auto& warning : report.warnings) std::cerr << "warning: " << warning << "\n";
  const std::string diff = report.match.diff();
  if (!diff.empty()) std::cerr << "warning: the result is incomplete or left something out\n" << diff;
  std::cout << arguments.out << ": " << report.tensors << " tensors";
  if (!report.taken.empty()) std::cout << " of " << report.taken;
  if (report.card.config) {
    std::cout << ", " << (report.card.name.empty() ? models::family_name(*report.card.config) : report.card.name);
    if (const auto* language = std::get_if<models::RetnetConfig>(&*report.card.config)) {
      std::cout << ", " << language->vocab_size << " tokens, " << (report.card.tokenizer.empty() ? "no" : "with its")
                << " tokenizer";
    } else {
      std::cout << ", " << models::num_classes(*report.card.config) << " classes, " << report.card.labels.size()
                << " labels";
    }
  } else {
    std::cout << ", no configuration";
  }
  std::cout << "\n";
}

int run_convert(ConvertArguments& arguments) {
  RunFiles("convert")
      .read_all(models::model_files(arguments.in))
      .read(arguments.config)
      .read(arguments.labels)
      .write("OUT", arguments.out)
      .check();
  auto& options = arguments.options;
  if (!arguments.model.empty()) options.choice.name = arguments.model;
  if (!arguments.config.empty()) options.choice.config = models::read_model_config(arguments.config);
  if (!arguments.labels.empty()) options.labels = models::read_labels(arguments.labels);
  if (arguments.type_given) options.type = arguments.type;
  options.strict = !arguments.no_strict;
  print_report(arguments, models::convert(arguments.in, arguments.out, options));
  return kSuccess;
}

Action setup_convert(CLI::App& app) {
  auto arguments = std::make_shared<ConvertArguments>();
  app.add_option("IN", arguments->in,
                 "weights file: .pth (zip format) or .safetensors, told apart by content; or a folder with config.json "
                 "and weights")
      ->required();
  app.add_option("OUT", arguments->out, "safetensors file to write")->required();
  add_enum_option(app, "--prefer", arguments->options.prefer, "weights of a training checkpoint to take");
  auto* model = app.add_option("--model", arguments->model, "registry name of the model (see: retentive models)");
  app.add_option("--config", arguments->config, "JSON file with the model's configuration")->excludes(model);
  app.add_option("--labels", arguments->labels, "text file with one class name a line");
  app.add_option("--license", arguments->options.license, "licence of the weights, kept in the file");
  app.add_flag("--no-strict", arguments->no_strict, "write what fits the model, list the rest as warnings");
  auto* type = add_enum_option(app, "--dtype", arguments->type, "element type of the written weights");
  app.add_flag("--force", arguments->options.overwrite, "replace OUT when it exists");
  return [arguments, type] {
    arguments->type_given = type->count() > 0;
    return run_convert(*arguments);
  };
}

}  // namespace

Command convert_command() {
  return {"convert", "Write a weights file as safetensors that carries its configuration", setup_convert};
}

}  // namespace retentive::apps
