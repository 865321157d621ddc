#pragma once

#include <nlohmann/json.hpp>

#include <vision/rmt_config.h>

namespace retentive::testing {

/// A model configuration in the field names of the official code, as the RMT fixtures give it.
inline vision::RmtConfig official_rmt_config(const nlohmann::json& json, vision::RmtHead head) {
  vision::RmtConfig config;
  json.at("embed_dims").get_to(config.embed_dims);
  json.at("depths").get_to(config.depths);
  json.at("num_heads").get_to(config.num_heads);
  json.at("init_values").get_to(config.decay_init);
  json.at("heads_ranges").get_to(config.decay_range);
  json.at("mlp_ratios").get_to(config.mlp_ratios);
  json.at("chunkwise_recurrents").get_to(config.decomposed);
  json.at("layerscales").get_to(config.layer_scale);
  config.layer_scale_init = json.value("layer_init_values", 1e-6);
  config.projection_dim = json.value("projection", int64_t{1024});
  config.num_classes = json.value("num_classes", int64_t{1000});
  config.drop_path_rate = json.at("drop_path_rate");
  config.head = head;
  return config;
}

}  // namespace retentive::testing
