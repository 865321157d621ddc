#include <models/model_card.h>

#include <models/config_json.h>
#include <models/version.h>

namespace retentive::models {
namespace {

constexpr const char* kConfigKey = "retentive.config";
constexpr const char* kPreprocessingKey = "retentive.preprocessing";
constexpr const char* kLabelsKey = "retentive.labels";
constexpr const char* kEosKey = "retentive.eos_ids";

/// The plain-text entries: metadata key and field.
constexpr std::array<std::pair<const char*, std::string ModelCard::*>, 6> kTextEntries = {
    {{"retentive.tokenizer", &ModelCard::tokenizer},
     {"retentive.name", &ModelCard::name},
     {"retentive.license", &ModelCard::license},
     {"retentive.source", &ModelCard::source},
     {"retentive.source_sha256", &ModelCard::source_sha256},
     {"retentive.notes", &ModelCard::notes}}};

}  // namespace

std::map<std::string, std::string> card_metadata(const ModelCard& card) {
  std::map<std::string, std::string> metadata = {{"format", "pt"}, {"retentive.version", std::string(version())}};
  if (card.config) metadata[kConfigKey] = model_config_json(*card.config);
  if (card.preprocessing) metadata[kPreprocessingKey] = preprocessing_json(*card.preprocessing);
  if (!card.labels.empty()) metadata[kLabelsKey] = Json(card.labels).dump();
  if (!card.eos_ids.empty()) metadata[kEosKey] = Json(card.eos_ids).dump();
  for (const auto& [key, field] : kTextEntries) {
    if (!(card.*field).empty()) metadata[key] = card.*field;
  }
  return metadata;
}

ModelCard parse_card(const std::map<std::string, std::string>& metadata, const std::string& where) {
  ModelCard card;
  const auto entry = [&metadata](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? nullptr : &found->second;
  };
  const auto place = [&where](const char* key) { return where + ": metadata " + key; };
  if (const auto* text = entry(kConfigKey)) card.config = parse_model_config(*text, place(kConfigKey));
  if (const auto* text = entry(kPreprocessingKey)) {
    card.preprocessing = parse_preprocessing(*text, place(kPreprocessingKey));
  }
  if (const auto* text = entry(kLabelsKey)) {
    const std::string labels_where = place(kLabelsKey);
    card.labels =
        from_json_value<std::vector<std::string>>(parse_json(*text, labels_where), {}, labels_where, "labels");
  }
  if (const auto* text = entry(kEosKey)) {
    card.eos_ids =
        from_json_value<std::vector<int64_t>>(parse_json(*text, place(kEosKey)), {}, place(kEosKey), "eos_ids");
  }
  for (const auto& [key, field] : kTextEntries) {
    if (const auto* text = entry(key)) card.*field = *text;
  }
  return card;
}

}  // namespace retentive::models
