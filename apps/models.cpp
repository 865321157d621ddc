#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <apps/command.h>
#include <apps/text.h>
#include <models/registry.h>
#include <models/state_dict.h>
#include <retention/nn/inference.h>
#include <vision/vir.h>

namespace retentive::apps {
namespace {

using Json = nlohmann::ordered_json;
using models::ModelKind;
using models::ModelRow;

std::string head_name(const ModelRow& row) {
  struct Namer {
    std::string operator()(const vision::RmtConfig& config) const { return std::string(enum_name(config.head)); }
    std::string operator()(const vision::VirConfig& config) const { return std::string(enum_name(config.pool)); }
    std::string operator()(const models::RetnetConfig&) const { return "language"; }
    std::string operator()(const vision::RetinanetConfig&) const { return "boxes"; }
    std::string operator()(const vision::MaskRcnnConfig& mask) const { return mask.masks ? "boxes, masks" : "boxes"; }
  };
  return std::visit(Namer{}, row.config);
}

std::string input_text(const ModelRow& row) {
  if (row.kind() == ModelKind::language) return "tokens";
  return std::to_string(models::in_channels(row.config)) + "x" + std::to_string(row.preprocessing.crop[0]) + "x" +
         std::to_string(row.preprocessing.crop[1]);
}

std::string tenths_text(const std::optional<double>& percent) {
  if (!percent) return "-";
  const auto tenths = std::llround(*percent * 10);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
}

Json row_json(const ModelRow& row) {
  Json json;
  json["name"] = row.name;
  json["parameters"] = models::count_parameters(row.config);
  json["head"] = head_name(row);
  if (const auto* language = std::get_if<models::RetnetConfig>(&row.config)) {
    json["vocabulary"] = language->vocab_size;
  } else {
    json["classes"] = models::num_classes(row.config);
    json["labels"] = row.labels;
    json["input"] = {models::in_channels(row.config), row.preprocessing.crop[0], row.preprocessing.crop[1]};
  }
  json["published_top1"] = row.published_top1 ? Json(*row.published_top1) : Json(nullptr);
  if (row.published_ap) json["published_ap"] = *row.published_ap;
  json["description"] = row.description;
  json["weights"] = row.weights_note;
  return json;
}

/// One row of the table that --explain prints.
struct StageFacts {
  std::string name;
  int64_t channels = 0;
  int64_t blocks = 0;
  int64_t heads = 0;
  std::string masa;  ///< "decomposed", "full" or "none"
  int64_t height = 0;
  int64_t width = 0;
  int64_t parameters = 0;
};

int64_t parameters_under(const torch::nn::Module& model, const std::string& prefix) {
  int64_t count = 0;
  for (const auto& item : model.named_parameters()) count += item.key().starts_with(prefix) ? item.value().numel() : 0;
  return count;
}

std::vector<StageFacts> stage_facts(const ModelRow& row) {
  const auto model = models::as_backbone(models::build_uninitialized(row.config), row.name);
  const auto& config = std::get<vision::RmtConfig>(row.config);
  const auto shapes = model->output_shape(row.preprocessing.crop[0], row.preprocessing.crop[1]);
  std::vector<StageFacts> facts;
  for (std::size_t s = 0; s < shapes.size(); ++s) {
    const char* kind = config.decomposed[s] ? "decomposed" : "full";
    facts.push_back({.name = "stage" + std::to_string(s + 1),
                     .channels = config.embed_dims[s],
                     .blocks = config.depths[s],
                     .heads = config.num_heads[s],
                     .masa = config.mixer == vision::RmtMixer::masa ? kind : "none",
                     .height = shapes[s].height,
                     .width = shapes[s].width,
                     .parameters = parameters_under(*model, "layers." + std::to_string(s) + ".")});
  }
  return facts;
}

// All blocks of a ViR or ViT are alike. The form is that of `auto` for images of the row's size.
Json vir_facts(const ModelRow& row) {
  const auto model = models::as_backbone(models::build_uninitialized(row.config), row.name);
  const auto& vir = dynamic_cast<const vision::VirImpl&>(*model);
  const auto& size = row.preprocessing.crop;
  const auto shape = vir.output_shape(size[0], size[1]).back();
  const auto tokens = vir.tokens(size[0], size[1]);
  return {{"channels", vir.config().dim},
          {"blocks", vir.config().depth},
          {"heads", vir.config().num_heads},
          {"mixer", enum_name(vir.config().mixer)},
          {"height", shape.height},
          {"width", shape.width},
          {"tokens", tokens},
          {"macs", vir.macs(size[0], size[1])},
          {"form", enum_name(vir.resolve(Form::auto_, tokens))},
          {"form_at_4097_tokens", enum_name(vir.resolve(Form::auto_, 4097))}};
}

Json explain_json(const ModelRow& row) {
  Json json = row_json(row);
  json["config"] = Json::parse(models::model_config_json(row.config));
  if (row.kind() == ModelKind::language) return json;
  json["preprocessing"] = Json::parse(models::preprocessing_json(row.preprocessing));
  if (row.kind() == ModelKind::detector) return json;
  if (std::holds_alternative<vision::VirConfig>(row.config)) {
    json["transformer"] = vir_facts(row);
    return json;
  }
  json["stages"] = Json::array();
  for (const auto& stage : stage_facts(row)) {
    json["stages"].push_back({{"name", stage.name},
                              {"channels", stage.channels},
                              {"blocks", stage.blocks},
                              {"heads", stage.heads},
                              {"masa", stage.masa},
                              {"height", stage.height},
                              {"width", stage.width},
                              {"tokens", stage.height * stage.width},
                              {"parameters", stage.parameters}});
  }
  return json;
}

// How the model would run here. The weights do not matter: zeros pack as fast as any. All blocks of a language model
// are alike, and a large one does not fit into memory: one is packed, and stands for all in the report.
nn::InferenceReport prepare(const ModelRow& row, Precision precision) {
  auto config = row.config;
  int64_t blocks = 1;
  if (auto* language = std::get_if<models::RetnetConfig>(&config)) std::swap(language->num_layers, blocks);
  const auto model = models::build_uninitialized(config);
  const torch::NoGradGuard no_grad;
  for (auto& tensor : models::state_dict(*model)) tensor.tensor.zero_();
  model->eval();
  auto report = nn::prepare_inference(*model, {.precision = precision});
  const auto once = report.entries;
  for (int64_t block = 1; block < blocks; ++block) {
    for (auto entry : once) {
      if (!entry.path.starts_with("layers.0.")) continue;
      entry.path.replace(7, 1, std::to_string(block));
      report.entries.push_back(entry);
    }
  }
  return report;
}

// Equal lines are counted, in the order of their first part.
void print_inference(const nn::InferenceReport& report) {
  std::vector<std::pair<std::string, int>> lines;
  for (const auto& entry : report.entries) {
    const auto line = padded(entry.operation, 24) + padded(std::string(enum_name(entry.precision)), 6) +
                      padded(entry.implementation, 32) + (entry.reason.empty() ? "" : "not the best: " + entry.reason);
    const auto same = std::find_if(lines.begin(), lines.end(), [&](const auto& known) { return known.first == line; });
    if (same == lines.end()) {
      lines.emplace_back(line, 1);
    } else {
      ++same->second;
    }
  }
  std::cout << "\ninference in " << enum_name(report.requested) << " on this processor\n";
  for (const auto& [line, count] : lines) std::cout << padded(std::to_string(count) + " x", 7) << line << "\n";
}

Json inference_json(const nn::InferenceReport& report) {
  Json json = Json::array();
  for (const auto& entry : report.entries) {
    json.push_back({{"path", entry.path},
                    {"operation", entry.operation},
                    {"precision", enum_name(entry.precision)},
                    {"implementation", entry.implementation},
                    {"reason", entry.reason}});
  }
  return json;
}

// JSON with one key a line: lists of four numbers stay readable.
void print_object(const std::string& title, const Json& object) {
  std::cout << "\n" << title << "\n";
  const char* separator = "{ ";
  for (const auto& [key, value] : object.items()) {
    std::cout << separator << Json(key) << ": " << value;
    separator = ",\n  ";
  }
  std::cout << " }\n";
}

void print_vision_facts(const ModelRow& row) {
  std::cout << "input          " << input_text(row) << " (channels x height x width)\n";
  std::cout << "head           " << head_name(row) << ", " << models::num_classes(row.config) << " classes"
            << (row.labels.empty() ? "" : " (" + row.labels + ")") << "\n";
  if (row.published_ap) std::cout << "published      " << tenths_text(row.published_ap) << " box AP on COCO val2017\n";
  if (row.published_top1)
    std::cout << "published      " << tenths_text(row.published_top1) << " % top-1 on ImageNet-1k\n";
}

void print_transformer(const Json& facts) {
  std::cout << "blocks  channels  heads  mixer      grid      tokens  MACs             form (auto)\n";
  const auto number = [&facts](const char* key) { return facts[key].get<int64_t>(); };
  const std::string grid = std::to_string(number("height")) + "x" + std::to_string(number("width"));
  std::cout << padded(std::to_string(number("blocks")), 8) << padded(std::to_string(number("channels")), 10)
            << padded(std::to_string(number("heads")), 7) << padded(facts["mixer"], 11) << padded(grid, 10)
            << padded(std::to_string(number("tokens")), 8) << padded(with_commas(number("macs")), 17)
            << facts["form"].get<std::string>() << " here, " << facts["form_at_4097_tokens"].get<std::string>()
            << " for 4,097 tokens\n";
}

void print_stages(const Json& facts) {
  if (facts.contains("transformer")) return print_transformer(facts["transformer"]);
  std::cout << "stage   channels  blocks  heads  MaSA        grid      tokens  parameters\n";
  for (const Json& stage : facts["stages"]) {
    const auto number = [&stage](const char* key) { return stage[key].get<int64_t>(); };
    std::cout << padded(stage["name"], 8) << padded(std::to_string(number("channels")), 10)
              << padded(std::to_string(number("blocks")), 8) << padded(std::to_string(number("heads")), 7)
              << padded(stage["masa"], 12)
              << padded(std::to_string(number("height")) + "x" + std::to_string(number("width")), 10)
              << padded(std::to_string(number("tokens")), 8) << with_commas(number("parameters")) << "\n";
  }
}

void print_explanation(const ModelRow& row, Precision precision) {
  const Json facts = explain_json(row);
  std::cout << row.name << ": " << row.description << "\n\n";
  std::cout << "parameters     " << with_commas(facts["parameters"].get<int64_t>()) << "\n";
  if (row.kind() != ModelKind::language) print_vision_facts(row);
  std::cout << "weights        " << row.weights_note << "\n\n";
  if (row.kind() == ModelKind::backbone) print_stages(facts);
  print_inference(prepare(row, precision));
  print_object("config", facts["config"]);
  if (row.kind() != ModelKind::language) print_object("preprocessing", facts["preprocessing"]);
}

void print_list() {
  std::cout << "name                  parameters      head         input      top-1  description\n";
  for (const ModelRow& row : models::model_rows()) {
    const auto parameters = models::count_parameters(row.config);
    std::cout << padded(row.name, 22) << padded(with_commas(parameters), 16) << padded(head_name(row), 13)
              << padded(input_text(row), 11) << padded(tenths_text(row.published_top1), 7) << row.description << "\n";
  }
  std::cout << "\ntop-1: published, ImageNet-1k validation, percent. More: retentive models --explain NAME\n";
}

Action setup_models(CLI::App& app) {
  struct Arguments {
    std::string explain;
    Precision precision = Precision::fp32;
    bool json = false;
  };
  auto arguments = std::make_shared<Arguments>();
  app.add_option("--explain", arguments->explain, "everything about one model: configuration, stages, weights");
  add_enum_option(app, "--precision", arguments->precision, "number type that --explain shows the implementations of");
  app.add_flag("--json", arguments->json, "one JSON object a line instead of text");
  return [arguments] {
    if (!arguments->explain.empty()) {
      const ModelRow& row = models::find_model(arguments->explain);
      if (!arguments->json) {
        print_explanation(row, arguments->precision);
        return kSuccess;
      }
      Json json = explain_json(row);
      json["inference"] = inference_json(prepare(row, arguments->precision));
      std::cout << json << "\n";
      return kSuccess;
    }
    if (!arguments->json) {
      print_list();
      return kSuccess;
    }
    for (const ModelRow& row : models::model_rows()) std::cout << row_json(row) << "\n";
    return kSuccess;
  };
}

}  // namespace

Command models_command() { return {"models", "List the registered models, or explain one", setup_models}; }

}  // namespace retentive::apps
