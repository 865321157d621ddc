#include <retention/nn/epilogue.h>

namespace retentive::nn {

torch::Tensor activate(const torch::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return torch::gelu(x);
    case Activation::silu:
      return torch::silu(x);
    case Activation::relu:
      return torch::relu(x);
    case Activation::none:
      break;
  }
  return x;
}

torch::Tensor apply_epilogue(torch::Tensor y, const Epilogue& epilogue) {
  y = activate(y, epilogue.activation);
  if (epilogue.scale.defined()) y = y * epilogue.scale;
  if (!epilogue.dropout.is_empty()) y = epilogue.dropout->forward(y);
  const auto mask = epilogue.drop_path.is_empty() ? torch::Tensor() : epilogue.drop_path->mask(y);
  if (!epilogue.residual.defined()) return mask.defined() ? y * mask : y;
  return mask.defined() ? torch::addcmul(epilogue.residual, y, mask) : y.add_(epilogue.residual);
}

}  // namespace retentive::nn
