#include <apps/coco_sink.h>

#include <iostream>
#include <map>
#include <utility>

#include <apps/class_map.h>
#include <apps/coco_images.h>
#include <apps/notes.h>
#include <retention/base/error.h>

namespace retentive::apps {
namespace {

constexpr int kFirstTurned = 5;  // EXIF orientations from here on swap height and width

// Images that cannot be read become error records later.
std::optional<datasets::ImageHeader> header_of(const std::filesystem::path& path) {
  try {
    return datasets::read_image_header(path);
  } catch (const DataError&) {
    return std::nullopt;
  }
}

std::vector<std::optional<int64_t>> numbered(size_t count) {
  std::vector<std::optional<int64_t>> ids;
  for (size_t i = 1; i <= count; ++i) ids.emplace_back(static_cast<int64_t>(i));
  return ids;
}

}  // namespace

CocoSink::CocoSink(CocoSinkFlags flags, const std::vector<std::string>& labels) : flags_(std::move(flags)) {
  if (!wanted()) return;
  if (flags_.annotations.empty()) {
    std::cerr << "note: --coco without --annotations numbers images from 1 in the order of the input, and classes "
                 "from 1\n";
    found_.emplace(numbered(labels.size()));
    return;
  }
  truth_ = datasets::read_coco(flags_.annotations, {.masks = false});
  const auto classes = models::match_categories(labels, static_cast<int64_t>(labels.size()), *truth_,
                                                class_match_options("detect", flags_.annotations, flags_.class_map));
  print_notes(classes.notes);
  found_.emplace(classes.ids);
}

void CocoSink::expect(const std::vector<FoundImage>& images) {
  if (!wanted()) return;
  if (!truth_) {
    for (size_t i = 1; i <= images.size(); ++i) ids_.emplace_back(static_cast<int64_t>(i));
    return;
  }
  const CocoImages known(*truth_);
  std::map<datasets::ImageId, std::filesystem::path> given;
  int64_t other_sizes = 0;
  for (const auto& image : images) {
    const auto& annotated = known.find(image);
    const auto [at, fresh] = given.emplace(annotated.id, image.path);
    if (!fresh) {
      throw DataError("[" + image.path.string() + "] and " + at->second.string() + " are both \"" +
                      annotated.file_name + "\" of " + truth_->name + "; give one of them");
    }
    ids_.push_back(annotated.id);
    const auto header = header_of(image.path);
    if (!header || annotated.height == 0) continue;
    if (header->orientation >= kFirstTurned) {
      datasets::check_annotated_size(annotated, image.path.string(), *header, flags_.ignore_orientation);
    } else if (header->height != annotated.height || header->width != annotated.width) {
      ++other_sizes;
    }
  }
  if (other_sizes > 0) {
    std::cerr << "note: " << other_sizes << (other_sizes == 1 ? " image has" : " images have") << " another size than "
              << truth_->name << " says\n";
  }
}

void CocoSink::add(models::ImageDetections item) {
  if (!wanted()) return;
  const auto& id = ids_.at(position_++);
  if (!item.error) found_->add(std::move(item.detections), id);
}

void CocoSink::write() const {
  if (!wanted()) return;
  note_dropped(found_->dropped(), flags_.annotations);
  datasets::write_coco_results(flags_.results, found_->results());
}

}  // namespace retentive::apps
