#include <models/pipelines/builtin_weights.h>
#include <models/pipelines/detail/image_model.h>
#include <models/pipelines/detail/inference_scope.h>
#include <models/pipelines/feature_extractor.h>
#include <retention/base/error.h>
#include <vision/vir.h>

namespace retentive::models {
namespace {

// Values of a batch of one, without its first dimension.
FeatureArray to_array(std::string name, const torch::Tensor& batch) {
  const auto values = batch.squeeze(0).to(torch::kFloat).contiguous();
  const float* data = values.const_data_ptr<float>();
  return {std::move(name), values.sizes().vec(), {data, data + values.numel()}};
}

void check_stages(const std::vector<int64_t>& stages, int64_t count) {
  int64_t next = 0;
  for (const int64_t stage : stages) {
    if (stage < next || stage >= count) {
      throw InvalidArgument("[features] stages holds " + std::to_string(stage) + "; ascending indices from 0 to " +
                            std::to_string(count - 1) + " are accepted, each once");
    }
    next = stage + 1;
  }
}

bool has_head(const ModelConfig& config) {
  const auto* rmt = std::get_if<vision::RmtConfig>(&config);
  return rmt == nullptr || rmt->head != vision::RmtHead::none;
}

}  // namespace

class FeatureExtractor::Impl {
 public:
  Impl(ImageModel model, const FeatureExtractorOptions& options) : model_(std::move(model)), options_(options) {
    const auto count = static_cast<int64_t>(model_.network().feature_info().size());
    check_stages(options.stages, count);
    computed_ = options.stages;
    const bool pools_map = vir() == nullptr;
    if (options.pooled && pools_map && (computed_.empty() || computed_.back() != count - 1)) {
      computed_.push_back(count - 1);
    }
  }

  const ImageModel& model() const { return model_; }

  Features extract(const vision::Image& image) const {
    const InferenceScope scope(model_.threads());
    const auto [maps, pooled] = run(model_.prepare(image, options_.keep_size));
    const auto info = model_.network().feature_info();
    Features features;
    for (size_t i = 0; i < options_.stages.size(); ++i) {
      features.stages.push_back(to_array(info[computed_[i]].name, maps[i]));  // [C, h, w]
    }
    if (options_.pooled) features.pooled = to_array("pooled", pooled);  // [C]
    return features;
  }

 private:
  vision::VirImpl* vir() const { return dynamic_cast<vision::VirImpl*>(&model_.network()); }

  // The maps of the computed stages, and the pooled vector if asked for.
  std::pair<std::vector<torch::Tensor>, torch::Tensor> run(const torch::Tensor& input) const {
    // The pooled vector of a ViR is of its class token, which maps do not hold.
    if (options_.pooled && vir() != nullptr) return vir()->forward_intermediates_and_pooled(input, computed_);
    auto maps = model_.network().forward_intermediates(input, computed_);
    auto pooled = options_.pooled ? pool(maps.back()) : torch::Tensor();
    return {std::move(maps), std::move(pooled)};
  }

  torch::Tensor pool(const torch::Tensor& map) const {
    if (!has_head(model_.config())) return map.mean({2, 3});
    return model_.network().forward_head(map, /*pre_logits=*/true);
  }

  ImageModel model_;
  FeatureExtractorOptions options_;
  std::vector<int64_t> computed_;  // the stages asked for, and the last one when pooling needs it
};

FeatureExtractor FeatureExtractor::from_file(const std::filesystem::path& weights,
                                             const FeatureExtractorOptions& options) {
  return FeatureExtractor(std::make_unique<Impl>(ImageModel::from_file(weights, options), options));
}

FeatureExtractor FeatureExtractor::from_default(const FeatureExtractorOptions& options) {
  return FeatureExtractor(std::make_unique<Impl>(ImageModel::from_builtin(kDefaultClassifier, options), options));
}

FeatureExtractor::FeatureExtractor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FeatureExtractor::FeatureExtractor(FeatureExtractor&&) noexcept = default;
FeatureExtractor& FeatureExtractor::operator=(FeatureExtractor&&) noexcept = default;
FeatureExtractor::~FeatureExtractor() = default;

Features FeatureExtractor::extract(const vision::Image& image) const { return impl_->extract(image); }

Features FeatureExtractor::extract(const std::filesystem::path& path) const {
  return impl_->extract(impl_->model().decode(path));
}

const std::string& FeatureExtractor::model_name() const { return impl_->model().card().name; }
const vision::Preprocessing& FeatureExtractor::preprocessing() const { return impl_->model().preprocessing(); }

}  // namespace retentive::models
