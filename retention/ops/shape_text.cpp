#include <sstream>

#include <retention/ops/detail/shape_text.h>

namespace retentive::detail {

std::string shape_text(const at::Tensor& t) {
  std::ostringstream text;
  text << t.sizes();
  return text.str();
}

std::string map_text(const at::Tensor& t) {
  std::string text;
  for (const int64_t side : t.sizes().slice(1)) text += (text.empty() ? "" : "x") + std::to_string(side);
  return text;
}

}  // namespace retentive::detail
