#pragma once

#include <string>

#include <retention/base/form.h>
#include <vision/spatial_mixer.h>

namespace retentive::vision {

/// Causal retention over the tokens of a map, row by row: what MaSA grew out of, in its place (RMT, section 3.1, and
/// RetNet, equations 5 to 8 without the gate). Each head's output is divided by its root mean square.
class RETENTIVE_API ScanRetentionImpl : public SpatialMixerImpl {
 public:
  ScanRetentionImpl(int64_t channels, int64_t num_heads);
  ~ScanRetentionImpl() override;

  /// The result is the same in every form; `auto_` takes the parallel one for up to 512 tokens, else the chunkwise.
  void set_form(Form form) { form_ = form; }
  static Form resolve(Form form, int64_t tokens);

 private:
  torch::Tensor mix(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                    const RelativePosition& position, double k_scale) const override;
  std::string name() const override { return "retention"; }
  std::string implementation(at::ScalarType type, std::string& reason) const override;

  Form form_ = Form::auto_;
};

}  // namespace retentive::vision
