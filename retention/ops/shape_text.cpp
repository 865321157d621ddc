#include <sstream>

#include <retention/ops/detail/shape_text.h>

namespace retentive::detail {

std::string shape_text(const at::Tensor& t) {
  std::ostringstream text;
  text << t.sizes();
  return text.str();
}

}  // namespace retentive::detail
