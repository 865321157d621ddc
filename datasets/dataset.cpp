#include <datasets/dataset.h>
#include <datasets/detection_dataset.h>
#include <datasets/subset.h>
#include <retention/base/error.h>

namespace retentive::datasets {

Dataset::~Dataset() = default;

std::vector<std::filesystem::path> Dataset::files() const { return {}; }

DetectionDataset::~DetectionDataset() = default;

void Dataset::check_index(int64_t index, const char* where) const {
  if (index >= 0 && index < size()) return;
  throw InvalidArgument(std::string("[") + where + "] index " + std::to_string(index) + " is outside of a set of " +
                        std::to_string(size()) + " samples");
}

Subset::Subset(std::shared_ptr<const Dataset> base, std::vector<int64_t> indices)
    : base_(std::move(base)), indices_(std::move(indices)) {
  for (const int64_t index : indices_) {
    if (index >= 0 && index < base_->size()) continue;
    throw InvalidArgument("[subset] index " + std::to_string(index) + " is outside of the base set of " +
                          std::to_string(base_->size()) + " samples");
  }
}

int64_t Subset::size() const { return static_cast<int64_t>(indices_.size()); }

Sample Subset::get(int64_t index) const {
  check_index(index, "subset");
  return base_->get(indices_[index]);
}

int64_t Subset::label(int64_t index) const {
  check_index(index, "subset");
  return base_->label(indices_[index]);
}

const std::vector<std::string>& Subset::class_names() const { return base_->class_names(); }

std::vector<std::filesystem::path> Subset::files() const { return base_->files(); }

}  // namespace retentive::datasets
