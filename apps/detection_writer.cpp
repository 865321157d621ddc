#include <apps/detection_writer.h>

#include <cmath>
#include <cstdio>

#include <nlohmann/json.hpp>

#include <datasets/rle.h>

namespace retentive::apps {
namespace {

using Json = nlohmann::ordered_json;
using models::ImageDetections;

std::string text_line(const ImageDetections& item, const std::vector<std::string>& labels,
                      const std::optional<FramePosition>& frame) {
  std::string line = item.path;
  if (frame) line += " frame " + std::to_string(frame->index);
  const auto count = item.detections.size();
  line += ": " + std::to_string(count) + (count == 1 ? " object" : " objects");
  for (size_t i = 0; i < count; ++i) {
    const auto& found = item.detections[i];
    char text[96];
    std::snprintf(text, sizeof text, " %.1f%% [%.0f %.0f %.0f %.0f]", 100 * found.score, found.box.x0, found.box.y0,
                  found.box.x1, found.box.y1);
    line += (i == 0 ? ": " : ", ") + labels[static_cast<size_t>(found.label)] + text;
  }
  return line;
}

Json detection_json(const vision::Detection& found, const std::vector<std::string>& labels) {
  Json json = {{"box", {found.box.x0, found.box.y0, found.box.x1, found.box.y1}},
               {"label", labels[static_cast<size_t>(found.label)]},
               {"index", found.label},
               {"score", found.score}};
  if (found.mask) {
    json["mask"] = {{"size", {found.mask->height, found.mask->width}}, {"counts", datasets::rle_to_text(*found.mask)}};
  }
  return json;
}

std::string json_line(const ImageDetections& item, const std::vector<std::string>& labels,
                      const std::optional<FramePosition>& frame) {
  Json record;
  record["path"] = item.path;
  if (frame) {
    record["frame"] = frame->index;
    record["time"] = frame->seconds;
  }
  if (item.error) {
    record["error"] = {{"type", item.error->type}, {"message", item.error->message}};
  } else {
    record["detections"] = Json::array();
    for (const auto& found : item.detections) record["detections"].push_back(detection_json(found, labels));
  }
  // File names need not be UTF-8, JSON must.
  return record.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

DetectionWriter::DetectionWriter(bool json, std::vector<std::string> labels, std::ostream& out, std::ostream& errors)
    : json_(json), labels_(std::move(labels)), out_(out), errors_(errors) {}

void DetectionWriter::write(const models::ImageDetections& item, const std::optional<FramePosition>& frame) {
  if (json_) {
    out_ << json_line(item, labels_, frame) << "\n";
  } else if (item.error) {
    errors_ << "error: " << item.error->message << "\n";
  } else {
    out_ << text_line(item, labels_, frame) << "\n";
  }
  out_.flush();
}

}  // namespace retentive::apps
