#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <apps/command.h>
#include <apps/text.h>
#include <models/checkpoint.h>
#include <models/convert.h>
#include <models/formats/pth.h>
#include <models/formats/tensor.h>
#include <models/tensor_io.h>
#include <models/upstream_keys.h>
#include <retention/base/error.h>

namespace retentive::apps {
namespace {

using Json = nlohmann::ordered_json;
namespace formats = models::formats;

struct Inspection {
  models::Checkpoint checkpoint;
  uintmax_t file_size = 0;
  std::vector<std::string> content;  ///< top-level entries of a .pth: "model: 150 tensors"
  models::Identification recognised;
  std::vector<std::string> non_finite;
};

/// Count and bytes of the tensors of one element type.
struct Total {
  int64_t tensors = 0;
  int64_t elements = 0;
  int64_t bytes = 0;
};

std::string type_name(const torch::Tensor& tensor) {
  return std::string(formats::dtype_name(models::file_dtype(tensor.scalar_type())));
}

std::vector<std::string> pth_content(const std::string& path) {
  const auto file = formats::PthFile::open(path);
  std::vector<std::string> lines;
  if (!file.root().is(formats::PickleValue::Kind::dict)) return lines;
  for (const auto& location : models::find_states(file.root())) {
    lines.push_back((location.key.empty() ? "the file itself" : location.key) + ": " +
                    std::to_string(location.state->entries().size()) + " tensors");
  }
  return lines;
}

Inspection inspect(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw CheckpointError("[inspect] " + path +
                          " is a folder; give a weights file, or `retentive convert` the folder first");
  }
  Inspection result;
  result.checkpoint = models::read_checkpoint(path);
  result.file_size = std::filesystem::file_size(path);
  if (result.checkpoint.format == formats::WeightsFormat::pth) result.content = pth_content(path);
  result.recognised = models::identify(result.checkpoint.tensors);
  result.non_finite = models::non_finite_tensors(result.checkpoint.tensors);
  return result;
}

std::map<std::string, Total> totals(const models::NamedTensors& tensors) {
  std::map<std::string, Total> result;
  for (const auto& [name, tensor] : tensors) {
    Total& total = result[type_name(tensor)];
    total.tensors += 1;
    total.elements += tensor.numel();
    total.bytes += static_cast<int64_t>(tensor.nbytes());
  }
  return result;
}

Json card_json(const models::ModelCard& card) {
  Json json = Json::object();
  if (card.config) json["config"] = Json::parse(models::model_config_json(*card.config));
  if (card.preprocessing) json["preprocessing"] = Json::parse(models::preprocessing_json(*card.preprocessing));
  if (!card.labels.empty()) json["labels"] = card.labels;
  for (const auto& [key, value] : {std::pair{"name", card.name},
                                   {"license", card.license},
                                   {"source", card.source},
                                   {"source_sha256", card.source_sha256},
                                   {"notes", card.notes}}) {
    if (!value.empty()) json[key] = value;
  }
  return json;
}

void print_json(const Inspection& file) {
  const auto& checkpoint = file.checkpoint;
  Json json;
  json["path"] = checkpoint.path;
  json["format"] = formats::format_name(checkpoint.format);
  json["bytes"] = file.file_size;
  if (!file.content.empty()) json["taken"] = checkpoint.taken;
  json["recognised"] = file.recognised.row != nullptr ? Json(file.recognised.row->name) : Json(nullptr);
  json["card"] = card_json(checkpoint.card);
  json["totals"] = Json::object();
  for (const auto& [type, total] : totals(checkpoint.tensors)) {
    json["totals"][type] = {{"tensors", total.tensors}, {"elements", total.elements}, {"bytes", total.bytes}};
  }
  json["checks"] = {{"structure", true}, {"finite", file.non_finite.empty()}, {"non_finite", file.non_finite}};
  json["warnings"] = checkpoint.warnings;
  json["tensors"] = Json::array();
  for (const auto& [name, tensor] : checkpoint.tensors) {
    json["tensors"].push_back(
        {{"name", name}, {"dtype", type_name(tensor)}, {"shape", tensor.sizes().vec()}, {"bytes", tensor.nbytes()}});
  }
  std::cout << json.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
}

void print_row(const std::string& title, const std::string& text) { std::cout << padded(title, 15) << text << "\n"; }

void print_card(const models::ModelCard& card) {
  if (!card.config) print_row("config", "none: name the model when using this file, or convert it");
  const Json json = card_json(card);
  for (const auto& [key, value] : json.items()) {
    if (key == "labels") {
      print_row(key, std::to_string(card.labels.size()) + ": " + card.labels.front() + " ... " + card.labels.back());
    } else {
      print_row(key, value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
}

void print_text(const Inspection& file) {
  const auto& checkpoint = file.checkpoint;
  print_row("file", checkpoint.path);
  print_row("format", std::string(formats::format_name(checkpoint.format)) + ", " +
                          with_commas(static_cast<int64_t>(file.file_size)) + " bytes");
  for (const auto& line : file.content) print_row("holds", line);
  if (!checkpoint.taken.empty()) print_row("shown", checkpoint.taken);
  print_row("recognised", file.recognised.row != nullptr ? file.recognised.row->name
                                                         : "no registered model (" + file.recognised.reason + ")");
  print_card(checkpoint.card);
  for (const auto& [type, total] : totals(checkpoint.tensors)) {
    print_row("total " + type, std::to_string(total.tensors) + " tensors, " + with_commas(total.elements) +
                                   " elements, " + with_commas(total.bytes) + " bytes");
  }
  print_row("checks", "structure and ranges ok");
  print_row("finite", file.non_finite.empty() ? "all values" : "NO: infinite or NaN values in " + file.non_finite[0]);
  std::size_t width = 0;
  for (const auto& [name, tensor] : checkpoint.tensors) width = std::max(width, name.size());
  for (const auto& [name, tensor] : checkpoint.tensors) {
    const auto sizes = tensor.sizes();
    std::cout << "  " << padded(name, width + 2) << padded(type_name(tensor), 5)
              << padded(formats::shape_text({sizes.data(), sizes.size()}), 20)
              << with_commas(static_cast<int64_t>(tensor.nbytes())) << " bytes\n";
  }
}

Action setup_inspect(CLI::App& app) {
  struct Arguments {
    std::string path;
    bool json = false;
  };
  auto arguments = std::make_shared<Arguments>();
  app.add_option("FILE", arguments->path, "weights file: .safetensors or .pth, told apart by content")->required();
  app.add_flag("--json", arguments->json, "one JSON object instead of text");
  return [arguments] {
    const Inspection file = inspect(arguments->path);
    for (const auto& warning : file.checkpoint.warnings) std::cerr << "warning: " << warning << "\n";
    arguments->json ? print_json(file) : print_text(file);
    return file.non_finite.empty() ? kSuccess : kFailure;
  };
}

}  // namespace

Command inspect_command() {
  return {"inspect", "Show what is in a weights file and check it, without building a model", setup_inspect};
}

}  // namespace retentive::apps
