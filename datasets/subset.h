#pragma once

#include <memory>

#include <datasets/dataset.h>

namespace retentive::datasets {

/// The samples of another set at given indices, in that order.
class RETENTIVE_API Subset : public Dataset {
 public:
  /// Throws InvalidArgument for an index outside of `base`.
  Subset(std::shared_ptr<const Dataset> base, std::vector<int64_t> indices);

  int64_t size() const override;
  Sample get(int64_t index) const override;
  int64_t label(int64_t index) const override;
  const std::vector<std::string>& class_names() const override;
  std::vector<std::filesystem::path> files() const override;

 private:
  std::shared_ptr<const Dataset> base_;
  std::vector<int64_t> indices_;
};

}  // namespace retentive::datasets
