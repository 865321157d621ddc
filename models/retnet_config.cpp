#include <cmath>
#include <string>

#include <models/retnet_config.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

[[noreturn]] void fail(const std::string& what) { throw ConfigError("[retnet] " + what); }

void check_positive(const char* name, int64_t value) {
  if (value < 1) fail(std::string(name) + " is " + std::to_string(value) + "; at least 1 is accepted");
}

void check_rate(const char* name, double value) {
  if (value >= 0 && value < 1) return;
  fail(std::string(name) + " is " + std::to_string(value) + "; at least 0 and less than 1 is accepted");
}

}  // namespace

void RetnetConfig::validate() const {
  check_positive("vocab_size", vocab_size);
  check_positive("dim", dim);
  check_positive("value_dim", value_dim);
  check_positive("ffn_dim", ffn_dim);
  check_positive("num_layers", num_layers);
  check_positive("num_heads", num_heads);
  check_positive("chunk_size", chunk_size);
  check_rate("dropout", dropout);
  check_rate("drop_path_rate", drop_path_rate);
  const auto heads = " and num_heads is " + std::to_string(num_heads);
  if (dim % num_heads != 0 || (dim / num_heads) % 2 != 0) {
    fail("dim is " + std::to_string(dim) + heads + "; dim must be heads times an even width; change one of them");
  }
  if (value_dim % num_heads != 0) {
    fail("value_dim is " + std::to_string(value_dim) + heads + "; a multiple of num_heads is accepted");
  }
  if (!std::isfinite(norm_eps) || norm_eps < 0) {
    fail("norm_eps is " + std::to_string(norm_eps) + "; 0 or more is accepted, usually 1e-6");
  }
  if (dialect == RetnetDialect::fla && normalization == Normalization::torchscale) {
    fail("dialect is \"fla\" and normalization \"torchscale\"; fla has no row scalars: use \"exact\"");
  }
  if (dialect == RetnetDialect::fla && (!pre_norm || deepnorm)) {
    fail("dialect \"fla\" has norms before its branches only; set pre_norm true and deepnorm false");
  }
}

}  // namespace retentive::models
