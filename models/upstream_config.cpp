#include <cmath>

#include <models/config_json.h>
#include <models/language_keys.h>

namespace retentive::models {
namespace {

// Reads fields of somebody else's configuration: unknown ones are of no interest, wrong ones are errors.
class Reader {
 public:
  Reader(const Json& object, const std::string& where) : object_(object), where_(where) {}

  int64_t integer(const char* key) const {
    const auto found = object_.find(key);
    if (found == object_.end()) {
      throw ConfigError("[" + where_ + "] key \"" + key + "\" is missing; it is needed to know the model's size");
    }
    return json_detail::read_integer(*found, where_, key);
  }

  template <class T>
  T value(const char* key, T fallback) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? fallback : from_json_value<T>(*found, fallback, where_, key);
  }

  bool is_set(const char* key) const {
    const auto found = object_.find(key);
    return found != object_.end() && !found->is_null() && *found != Json(false);
  }

  [[noreturn]] void refuse(const char* key, const std::string& why) const {
    const auto found = object_.find(key);
    const auto held = found == object_.end() ? std::string("absent") : found->dump();
    throw Unsupported("[" + where_ + "] " + key + " is " + held + "; " + why);
  }

 private:
  const Json& object_;
  const std::string& where_;
};

RetnetActivation activation(const Reader& read, const char* key, const char* fallback) {
  const auto name = read.value<std::string>(key, fallback);
  if (name == "swish" || name == "silu") return RetnetActivation::swish;
  if (name == "gelu") return RetnetActivation::gelu;
  read.refuse(key, "\"swish\", \"silu\" and \"gelu\" are supported");
}

RetnetConfig huggingface(const Reader& read) {
  if (read.value("moe_freq", int64_t{0}) != 0) read.refuse("moe_freq", "layers with experts (MoE) are not supported");
  if (read.is_set("multiway")) read.refuse("multiway", "two copies of each projection are not supported");
  if (!read.value("use_glu", true)) read.refuse("use_glu", "only models with a gated feed-forward are supported");
  RetnetConfig config;
  config.vocab_size = read.integer("vocab_size");
  config.dim = read.integer("decoder_embed_dim");
  config.value_dim = read.integer("decoder_value_embed_dim");
  config.ffn_dim = read.integer("decoder_ffn_embed_dim");
  config.num_layers = read.integer("decoder_layers");
  config.num_heads = read.integer("decoder_retention_heads");
  config.activation = activation(read, "activation_fn", "gelu");
  config.decay = read.value("use_lm_decay", false) ? DecaySchedule::log_linspace : DecaySchedule::retnet;
  config.scale_embedding = !read.value("no_scale_embedding", true);
  config.layernorm_embedding = read.value("layernorm_embedding", false);
  config.tie_embeddings =
      read.value("tie_word_embeddings", false) || read.value("share_decoder_input_output_embed", false);
  config.deepnorm = read.value("deepnorm", false);
  config.pre_norm = read.value("decoder_normalize_before", !config.deepnorm);
  config.norm_eps = read.value("layernorm_eps", 1e-6);
  config.dropout = read.value("dropout", 0.0);
  config.drop_path_rate = read.value("drop_path_rate", 0.0);
  config.chunk_size = read.value("recurrent_chunk_size", config.chunk_size);
  return config;
}

// size * factor, the factor under `key`.
int64_t scaled(const Reader& read, int64_t size, const char* key, double fallback) {
  const double product = static_cast<double>(size) * read.value(key, fallback);
  if (!(std::abs(product) <= 1e9)) read.refuse(key, "it makes a width that no model has");
  return static_cast<int64_t>(product);
}

int64_t fla_hidden(const Reader& read, int64_t dim) {
  const auto given = read.value<std::optional<int64_t>>("intermediate_size", std::nullopt);
  if (given) return *given;
  const auto width = scaled(read, dim, "hidden_ratio", 2.0) * 2 / 3;
  return 256 * ((width + 255) / 256);
}

RetnetConfig fla(const Reader& read) {
  for (const char* key : {"use_short_conv", "feature_map", "attn", "tensor_parallel"}) {
    if (read.is_set(key)) read.refuse(key, "fla's RetNet with this is not supported");
  }
  if (!read.value("use_output_gate", true)) read.refuse("use_output_gate", "only gated retention is supported");
  RetnetConfig config;
  config.dialect = RetnetDialect::fla;
  config.vocab_size = read.integer("vocab_size");
  config.dim = read.integer("hidden_size");
  config.num_layers = read.integer("num_hidden_layers");
  config.num_heads = read.integer("num_heads");
  if (read.value("num_kv_heads", config.num_heads) != config.num_heads) {
    read.refuse("num_kv_heads", "keys and values shared by heads are not supported");
  }
  if (read.value("expand_k", 1.0) != 1.0) read.refuse("expand_k", "keys as wide as the model (1) are supported");
  config.value_dim = scaled(read, config.dim, "expand_v", 2.0);
  config.ffn_dim = fla_hidden(read, config.dim);
  config.activation = activation(read, "hidden_act", "swish");
  config.tie_embeddings = read.value("tie_word_embeddings", false);
  config.norm_eps = read.value("norm_eps", 1e-6);
  config.chunk_size = 64;
  return config;
}

}  // namespace

RetnetConfig parse_upstream_config(std::string_view json, const std::string& where) {
  const auto object = parse_json(json, where);
  if (!object.is_object()) throw ConfigError("[" + where + "] is not a JSON object; give the model's config.json");
  const Reader read(object, where);
  const auto type = read.value<std::string>("model_type", "retnet");
  if (type != "retnet") {
    throw Unsupported("[" + where + "] model_type is \"" + type + "\"; \"retnet\" is supported");
  }
  auto config = object.contains("decoder_embed_dim") ? huggingface(read) : fla(read);
  config.validate();
  return config;
}

}  // namespace retentive::models
