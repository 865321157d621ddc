#include <retention/nn/epilogue.h>

namespace retentive::nn {

torch::Tensor activate(const torch::Tensor& x, Activation activation) {
  if (activation == Activation::gelu) return torch::gelu(x);
  return activation == Activation::silu ? torch::silu(x) : x;
}

torch::Tensor apply_epilogue(torch::Tensor y, const Epilogue& epilogue) {
  y = activate(y, epilogue.activation);
  if (epilogue.scale.defined()) y = y * epilogue.scale;
  if (!epilogue.drop_path.is_empty()) y = DropPath(epilogue.drop_path)->forward(y);
  return epilogue.residual.defined() ? epilogue.residual + y : y;
}

}  // namespace retentive::nn
