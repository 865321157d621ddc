#include <cmath>
#include <string>

#include <retention/base/error.h>
#include <vision/rmt_config.h>

namespace retentive::vision {
namespace {

[[noreturn]] void fail(const std::string& what) { throw ConfigError("[rmt] " + what); }

template <class T>
void check_stages(const char* name, const std::vector<T>& values) {
  if (values.size() != 4) {
    fail(std::string(name) + " has " + std::to_string(values.size()) + " entries; an RMT has 4 stages; give 4 values");
  }
}

void check_positive(const char* name, int64_t value) {
  if (value < 1) fail(std::string(name) + " is " + std::to_string(value) + "; at least 1 is accepted");
}

void check_stage(const RmtConfig& config, size_t s) {
  const auto at_stage = [&](const char* name) { return std::string(name) + "[" + std::to_string(s) + "]"; };
  check_positive(at_stage("embed_dims").c_str(), config.embed_dims[s]);
  check_positive(at_stage("depths").c_str(), config.depths[s]);
  check_positive(at_stage("num_heads").c_str(), config.num_heads[s]);
  const auto channels = config.embed_dims[s], heads = config.num_heads[s];
  if (channels % heads != 0 || (channels / heads) % 2 != 0) {
    fail(at_stage("embed_dims") + " is " + std::to_string(channels) + " and " + at_stage("num_heads") + " is " +
         std::to_string(heads) + "; channels must be heads times an even head dim; change one of them");
  }
  if (!std::isfinite(config.decay_init[s]) || config.decay_init[s] <= 0 || !std::isfinite(config.decay_range[s]) ||
      config.decay_range[s] < 0) {
    fail(at_stage("decay_init") + " is " + std::to_string(config.decay_init[s]) + " and " + at_stage("decay_range") +
         " is " + std::to_string(config.decay_range[s]) + "; init > 0 and range >= 0 are accepted");
  }
  if (!(static_cast<double>(channels) * config.mlp_ratios[s] >= 1)) {
    fail(at_stage("mlp_ratios") + " is " + std::to_string(config.mlp_ratios[s]) +
         "; the feed-forward needs a width of at least 1");
  }
}

}  // namespace

void RmtConfig::validate() const {
  check_stages("embed_dims", embed_dims);
  check_stages("depths", depths);
  check_stages("num_heads", num_heads);
  check_stages("decay_init", decay_init);
  check_stages("decay_range", decay_range);
  check_stages("mlp_ratios", mlp_ratios);
  check_stages("decomposed", decomposed);
  check_stages("layer_scale", layer_scale);
  for (size_t s = 0; s < 4; ++s) check_stage(*this, s);
  if (embed_dims[0] % 2 != 0)
    fail("embed_dims[0] is " + std::to_string(embed_dims[0]) + "; the stem needs an even one");
  check_positive("projection_dim", projection_dim);
  check_positive("in_channels", in_channels);
  if (num_classes < 0)
    fail("num_classes is " + std::to_string(num_classes) + "; 0 (no classifier) or more is accepted");
  if (!(drop_path_rate >= 0 && drop_path_rate < 1)) {
    fail("drop_path_rate is " + std::to_string(drop_path_rate) + "; at least 0 and less than 1 is accepted");
  }
  if (out_indices.empty()) fail("out_indices is empty; name at least one stage of 0..3");
  if (const auto fault = stage_list_fault(out_indices)) fail("out_indices" + *fault);
}

std::optional<std::string> stage_list_fault(const std::vector<int64_t>& stages) {
  for (size_t i = 0; i < stages.size(); ++i) {
    if (stages[i] >= 0 && stages[i] <= 3 && (i == 0 || stages[i] > stages[i - 1])) continue;
    return "[" + std::to_string(i) + "] is " + std::to_string(stages[i]) + "; ascending stages of 0..3 are accepted";
  }
  return std::nullopt;
}

}  // namespace retentive::vision
