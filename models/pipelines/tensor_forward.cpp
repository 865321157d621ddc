#include <numeric>

#include <models/pipelines/detail/inference_scope.h>
#include <models/pipelines/tensor_forward.h>
#include <retention/base/error.h>
#include <vision/rmt.h>
#include <vision/vir.h>

namespace retentive::models {
namespace {

constexpr const char* kInputName = "image";

std::string describe(const torch::Tensor& tensor) {
  std::string text = std::string(c10::toString(tensor.scalar_type())) + " [";
  for (int64_t d = 0; d < tensor.dim(); ++d) text += (d == 0 ? "" : ", ") + std::to_string(tensor.size(d));
  return text + "]";
}

std::string quoted_names(const NamedTensors& tensors) {
  constexpr size_t kShown = 5;
  std::string text;
  for (size_t i = 0; i < tensors.size() && i < kShown; ++i) {
    text += (i == 0 ? "\"" : ", \"") + tensors[i].name + "\"";
  }
  if (tensors.size() > kShown) text += " and " + std::to_string(tensors.size() - kShown) + " more";
  return text.empty() ? "no tensor" : text;
}

const torch::Tensor& image_of(const NamedTensors& inputs, int64_t channels, const std::string& where) {
  const std::string accepted =
      "; one tensor \"image\", float32 [B, " + std::to_string(channels) + ", H, W], is accepted: write it so";
  if (inputs.size() != 1 || inputs[0].name != kInputName) {
    throw InvalidArgument("[forward] " + where + " holds " + quoted_names(inputs) + accepted);
  }
  const auto& image = inputs[0].tensor;
  if (image.scalar_type() != torch::kFloat || image.dim() != 4 || image.size(1) != channels || image.numel() == 0) {
    throw InvalidArgument("[forward] " + where + ": image is " + describe(image) + accepted);
  }
  return image;
}

// Values of its own: an output may otherwise be a view of another one.
void add(NamedTensors& outputs, const std::string& name, const torch::Tensor& tensor) {
  outputs.push_back({name, tensor.contiguous()});
}

NamedTensors forward_vir(vision::VirImpl& model, const torch::Tensor& image) {
  NamedTensors outputs;
  const auto tokens = model.forward_tokens(image);
  add(outputs, "features", tokens);  // [B, N + 1, C]
  if (model.config().num_classes > 0) add(outputs, "logits", model.forward_head(tokens));
  return outputs;
}

}  // namespace

NamedTensors forward_image(vision::BackboneImpl& model, const ModelConfig& config, const NamedTensors& inputs,
                           const std::string& where, int64_t threads) {
  const auto& image = image_of(inputs, in_channels(config), where);
  if (auto* vir = dynamic_cast<vision::VirImpl*>(&model)) {
    const InferenceScope scope(threads);
    return forward_vir(*vir, image);
  }
  const auto& rmt = std::get<vision::RmtConfig>(config);
  const bool headless = rmt.head == vision::RmtHead::none;
  const auto info = model.feature_info();
  std::vector<int64_t> stages(info.size());
  std::iota(stages.begin(), stages.end(), 0);
  if (headless) stages = rmt.out_indices;

  const InferenceScope scope(threads);
  const auto maps = model.forward_intermediates(image, stages);
  NamedTensors outputs;
  for (size_t i = 0; i < stages.size(); ++i) add(outputs, info[stages[i]].name, maps[i]);  // [B, C, h, w]
  if (headless) return outputs;
  add(outputs, "pooled", model.forward_head(maps.back(), /*pre_logits=*/true));  // [B, P]
  if (rmt.num_classes == 0) return outputs;
  add(outputs, "logits", model.forward_head(maps.back()));  // [B, classes]
  if (rmt.head != vision::RmtHead::token_label) return outputs;
  const auto both = dynamic_cast<vision::RmtImpl&>(model).forward_token_label(image);
  add(outputs, "cls_logits", both.cls_logits);  // [B, classes]
  add(outputs, "aux_logits", both.aux_logits);  // [B, h*w, classes]
  return outputs;
}

NamedTensors forward_tokens(RetnetImpl& model, const NamedTensors& inputs, const std::string& where,
                            const SequenceCall& call, int64_t threads) {
  const std::string accepted = "; one tensor \"tokens\", int64 [B, T], is accepted: write it so";
  if (inputs.size() != 1 || inputs[0].name != "tokens") {
    throw InvalidArgument("[forward] " + where + " holds " + quoted_names(inputs) + accepted);
  }
  if (inputs[0].tensor.scalar_type() != torch::kLong || inputs[0].tensor.dim() != 2) {
    throw InvalidArgument("[forward] " + where + ": tokens is " + describe(inputs[0].tensor) + accepted);
  }
  const InferenceScope scope(threads);
  return {{"logits", model.forward(inputs[0].tensor, nullptr, call).contiguous()}};
}

}  // namespace retentive::models
