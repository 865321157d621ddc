#include <cmath>
#include <string>
#include <vector>

#include <torch/torch.h>

#include <retention/base/cpu_isa.h>
#include <retention/base/op_profile.h>
#include <retention/kernels/boxes_roi_align.h>
#include <retention/ops/boxes.h>
#include <retention/ops/detail/box_checks.h>
#include <retention/ops/detail/elements.h>
#include <retention/ops/detail/shape_text.h>
#include <retention/ops/memory.h>

namespace retentive {
namespace {

using at::Tensor;
using detail::elements;
using detail::mutable_elements;
using detail::shape_text;
using retention::RoiAlignProblem;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// More are useless, and a slip: 7 bins of 7 samples would take 49 along a side.
constexpr int64_t kMostSamples = 64;

void check_regions(const Tensor& rois, int64_t images) {
  detail::check_box_rows("roi_align", "rois", rois, 5);
  const auto rows = rois.contiguous();
  for (int64_t k = 0; k < rows.size(0); ++k) {
    const float image = elements<float>(rows)[5 * k];
    if (image >= 0 && image < static_cast<float>(images) && image == std::floor(image)) continue;
    detail::refuse_boxes("roi_align", "row " + std::to_string(k) + " of rois is of image " + std::to_string(image) +
                                          " but features hold " + std::to_string(images) + "; 0 to " +
                                          std::to_string(images - 1) + " is accepted");
  }
}

// Of features [B, C, H, W].
RoiAlignProblem problem_of(at::IntArrayRef sizes, double spatial_scale, int64_t output_h, int64_t output_w,
                           int64_t sampling_ratio) {
  return {.images = sizes[0],
          .height = sizes[2],
          .width = sizes[3],
          .channels = sizes[1],
          .out_height = output_h,
          .out_width = output_w,
          .spatial_scale = static_cast<float>(spatial_scale),
          .sampling_ratio = sampling_ratio};
}

RoiAlignProblem checked(const Tensor& features, const Tensor& rois, double spatial_scale, int64_t output_h,
                        int64_t output_w, int64_t sampling_ratio) {
  const auto fail = [](const std::string& what) { detail::refuse_boxes("roi_align", what); };
  if (features.dim() != 4 || features.numel() == 0 || !features.is_floating_point()) {
    fail("features is " + shape_text(features) + " " + std::string(features.dtype().name()) +
         "; a non-empty [B, C, H, W] of a floating dtype is accepted");
  }
  check_regions(rois, features.size(0));
  if (!(spatial_scale > 0) || !std::isfinite(spatial_scale)) {
    fail("spatial_scale is " + std::to_string(spatial_scale) + "; a positive number is accepted: 1 / stride");
  }
  if (output_h < 1 || output_w < 1) {
    fail("the output is " + std::to_string(output_h) + "x" + std::to_string(output_w) +
         "; a positive height and width are accepted");
  }
  if (sampling_ratio < 0 || sampling_ratio > kMostSamples) {
    fail("sampling_ratio is " + std::to_string(sampling_ratio) + "; 0 to " + std::to_string(kMostSamples) +
         " is accepted, 0 for as many as a bin has pixels");
  }
  return problem_of(features.sizes(), spatial_scale, output_h, output_w, sampling_ratio);
}

Tensor nhwc(const Tensor& x) { return x.permute({0, 2, 3, 1}).contiguous(); }  // no copy of channels-last memory

// One product of matrices for each side of each region: any dtype, differentiable any number of times.
Tensor composed(const RoiAlignProblem& p, const Tensor& features, const Tensor& rois) {
  const int64_t count = rois.size(0);
  if (count == 0) return features.flatten().slice(0, 0, 0).view({0, p.channels, p.out_height, p.out_width});
  const auto rows = at::empty({count, p.out_height, p.height}, at::kFloat);
  const auto columns = at::empty({count, p.out_width, p.width}, at::kFloat);
  const auto boxes = rois.cpu().contiguous();
  for (int64_t k = 0; k < count; ++k) {
    retention::roi_weights(p, elements<float>(boxes) + 5 * k, mutable_elements<float>(rows[k]),
                           mutable_elements<float>(columns[k]));
  }
  const auto left = rows.to(features.options()), right = columns.transpose(1, 2).to(features.options());
  std::vector<Tensor> out;
  for (int64_t k = 0; k < count; ++k) {
    const auto image = static_cast<int64_t>(elements<float>(boxes)[5 * k]);
    out.push_back(left[k].matmul(features[image]).matmul(right[k]));  // [C, oh, ow]
  }
  return at::stack(out).contiguous(at::MemoryFormat::ChannelsLast);
}

bool kernels_take(const Tensor& features) {
  const auto type = features.scalar_type();
  return (type == at::kFloat || type == at::kBFloat16) && cpu_isa() != Isa::portable;
}

Tensor fast(const RoiAlignProblem& p, const Tensor& features, const Tensor& rois) {
  const auto out = pooled_empty({rois.size(0), p.out_height, p.out_width, p.channels}, features.scalar_type());
  const OpTimer timer([&] { return "roi_align " + detail::map_text(out); }, 4.0 * static_cast<double>(out.numel()));
  const auto maps = nhwc(features), boxes = rois.contiguous();
  detail::for_element_type(features.scalar_type(), [&](auto type) {
    using T = decltype(type);
    return retention::roi_align(p, elements<T>(maps), elements<float>(boxes), rois.size(0), mutable_elements<T>(out),
                                at::get_num_threads());
  });
  return out.permute({0, 3, 1, 2});  // [K, C, oh, ow]
}

class RoiAlignFunction : public torch::autograd::Function<RoiAlignFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& features, const Tensor& rois, double spatial_scale,
                        int64_t output_h, int64_t output_w, int64_t sampling_ratio) {
    context->save_for_backward({rois});
    context->saved_data["sizes"] = features.sizes().vec();
    context->saved_data["spatial_scale"] = spatial_scale;
    context->saved_data["sampling_ratio"] = sampling_ratio;
    const auto p = problem_of(features.sizes(), spatial_scale, output_h, output_w, sampling_ratio);
    return fast(p, features, rois);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto rois = context->get_saved_variables()[0];
    const auto& dout = gradients[0];
    const auto sizes = context->saved_data["sizes"].toIntVector();
    const auto p = problem_of(sizes, context->saved_data["spatial_scale"].toDouble(), dout.size(2), dout.size(3),
                              context->saved_data["sampling_ratio"].toInt());
    const auto dfeatures = at::GradMode::is_enabled() ? again(p, dout, rois) : by_kernels(p, dout, rois);
    return {dfeatures, Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }

 private:
  static Tensor by_kernels(const RoiAlignProblem& p, const Tensor& dout, const Tensor& rois) {
    const auto gradients = nhwc(dout), boxes = rois.contiguous();
    const auto out = at::zeros({p.images, p.height, p.width, p.channels}, dout.options());
    const OpTimer timer([&] { return "roi_align gradient " + detail::map_text(gradients); },
                        4.0 * static_cast<double>(dout.numel()));
    retention::roi_align_backward(p, elements<float>(gradients), elements<float>(boxes), rois.size(0),
                                  mutable_elements<float>(out), at::get_num_threads());
    return out.permute({0, 3, 1, 2});
  }

  // The gradient does not depend on the features: any serve to make a graph of it.
  static Tensor again(const RoiAlignProblem& p, const Tensor& dout, const Tensor& rois) {
    const auto features = at::zeros({p.images, p.channels, p.height, p.width}, dout.options()).requires_grad_();
    return torch::autograd::grad({composed(p, features, rois)}, {features}, {dout}, std::nullopt,
                                 /*create_graph=*/true)[0];
  }
};

Tensor any_backend(const Tensor& features, const Tensor& rois, double spatial_scale, int64_t output_h, int64_t output_w,
                   int64_t sampling_ratio) {
  return composed(checked(features, rois, spatial_scale, output_h, output_w, sampling_ratio), features, rois);
}

Tensor cpu(const Tensor& features, const Tensor& rois, double spatial_scale, int64_t output_h, int64_t output_w,
           int64_t sampling_ratio) {
  const auto p = checked(features, rois, spatial_scale, output_h, output_w, sampling_ratio);
  return kernels_take(features) ? fast(p, features, rois) : composed(p, features, rois);
}

Tensor autograd(const Tensor& features, const Tensor& rois, double spatial_scale, int64_t output_h, int64_t output_w,
                int64_t sampling_ratio) {
  if (at::GradMode::is_enabled() && features.requires_grad()) {
    const auto p = checked(features, rois, spatial_scale, output_h, output_w, sampling_ratio);
    if (features.scalar_type() != at::kFloat || !kernels_take(features)) return composed(p, features, rois.detach());
    return RoiAlignFunction::apply(features, rois.detach(), spatial_scale, output_h, output_w, sampling_ratio);
  }
  const at::AutoDispatchBelowAutograd below;
  return cpu(features, rois, spatial_scale, output_h, output_w, sampling_ratio);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(retentive, m) {
  m.def(
      "roi_align(Tensor features, Tensor rois, float spatial_scale, int output_h, int output_w, int sampling_ratio=0) "
      "-> Tensor",
      torch::dispatch(c10::DispatchKey::CompositeImplicitAutograd, any_backend));
}

TORCH_LIBRARY_IMPL(retentive, CPU, m) { m.impl("roi_align", cpu); }

TORCH_LIBRARY_IMPL(retentive, AutogradCPU, m) { m.impl("roi_align", autograd); }

Tensor roi_align(const Tensor& features, const Tensor& rois, double spatial_scale, int64_t output_h, int64_t output_w,
                 int64_t sampling_ratio) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("retentive::roi_align", "").typed<decltype(cpu)>();
  return op.call(features, rois, spatial_scale, output_h, output_w, sampling_ratio);
}

}  // namespace retentive
