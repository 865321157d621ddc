#include <algorithm>
#include <cmath>

#include <datasets/detail/coco_record_json.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {

using nlohmann::json;

namespace {

constexpr double kLargestWhole = 9007199254740992;  // 2^53
constexpr double kFarthest = 1e6;                   // of an outline's points, as rle_from_polygons has it

/// The value as it stands in the file, or its beginning.
std::string excerpt(const json& value) {
  constexpr size_t kMost = 60;
  if (value.is_structured() && value.size() > kMost) return "of " + std::to_string(value.size()) + " entries";
  std::string text = value.dump(-1, ' ', true);
  if (text.size() > kMost) text = text.substr(0, kMost) + "...";
  return text;
}

}  // namespace

std::optional<int64_t> whole_number(const json& value) {
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
  if (value.is_number_integer()) return value.get<int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const double number = value.get<double>();
  if (std::trunc(number) != number || std::abs(number) > kLargestWhole) return std::nullopt;
  return static_cast<int64_t>(number);
}

CocoRecord::CocoRecord(const std::string& file, const std::string& section, int64_t index, const json& value)
    : file_(file), section_(section), index_(index), value_(value) {
  if (!value.is_object()) fail("is " + excerpt(value) + "; an object is accepted; correct or remove it");
}

void CocoRecord::fail(const std::string& what) const {
  std::string where = section_ + "[" + std::to_string(index_) + "]";
  if (value_.is_object() && value_.contains("id")) where += " (id " + excerpt(value_["id"]) + ")";
  throw DataError("[coco] " + file_ + ": " + where + " " + what);
}

void CocoRecord::refuse(const char* key, const std::string& accepted) const {
  const std::string found = value_.contains(key) ? "has \"" + std::string(key) + "\" " + excerpt(value_[key])
                                                 : "has no \"" + std::string(key) + "\"";
  fail(found + "; " + accepted + " is accepted; correct or remove the entry");
}

const json* CocoRecord::find(const char* key) const {
  const auto at = value_.find(key);
  if (at == value_.end() || at->is_null() || (at->is_array() && at->empty())) return nullptr;
  return &*at;
}

int64_t CocoRecord::integer(const char* key) const {
  const json* value = find(key);
  const auto number = value ? whole_number(*value) : std::nullopt;
  if (!number) refuse(key, "a whole number");
  return *number;
}

double CocoRecord::number(const char* key) const {
  const json* value = find(key);
  if (!value || !value->is_number()) refuse(key, "a finite number");
  return value->get<double>();
}

std::string CocoRecord::text(const char* key) const {
  const json* value = find(key);
  if (!value || !value->is_string() || value->get_ref<const std::string&>().empty()) refuse(key, "a text");
  return value->get<std::string>();
}

ImageId CocoRecord::image_id(const char* key) const {
  const json* value = find(key);
  if (value && value->is_string() && !value->get_ref<const std::string&>().empty()) {
    return ImageId(value->get<std::string>());
  }
  const auto number = value ? whole_number(*value) : std::nullopt;
  if (!number) refuse(key, "a whole number or a text");
  return *number;
}

std::optional<CocoBox> CocoRecord::box() const {
  const json* value = find("bbox");
  if (!value) return std::nullopt;
  const bool numbers = value->is_array() && value->size() == 4 &&
                       std::all_of(value->begin(), value->end(), [](const json& item) { return item.is_number(); });
  const CocoBox box = numbers ? value->get<CocoBox>() : CocoBox{0, 0, -1, -1};
  if (!(box[2] >= 0) || !(box[3] >= 0) || !std::isfinite(box[0] + box[2]) || !std::isfinite(box[1] + box[3])) {
    refuse("bbox", "[x, y, width, height] of finite numbers, width and height at least 0,");
  }
  return box;
}

void CocoRecord::segmentation(std::vector<std::vector<double>>& polygons, std::optional<RleMask>& rle) const {
  const json* value = find("segmentation");
  if (!value) return;
  if (value->is_array()) {
    polygons = polygon_list(*value);
  } else if (value->is_object()) {
    rle = runs(*value);
  } else {
    refuse("segmentation", "a list of outlines or an object with \"size\" and \"counts\"");
  }
}

std::vector<std::vector<double>> CocoRecord::polygon_list(const json& value) const {
  std::vector<std::vector<double>> polygons;
  for (const json& outline : value) {
    if (!outline.is_array() || outline.size() % 2 != 0) {
      refuse("segmentation", "a list of outlines [x0, y0, x1, y1, ...]");
    }
    if (outline.size() < 6) continue;
    std::vector<double>& points = polygons.emplace_back();
    points.reserve(outline.size());
    for (const json& item : outline) {
      if (!item.is_number() || !(std::abs(item.get<double>()) <= kFarthest)) {
        refuse("segmentation", "an outline of numbers from -1000000 to 1000000");
      }
      points.push_back(item.get<double>());
    }
  }
  return polygons;
}

RleMask CocoRecord::runs(const json& value) const {
  const auto size = value.find("size"), counts = value.find("counts");
  if (size == value.end() || counts == value.end() || !size->is_array() || size->size() != 2) {
    refuse("segmentation", "an object with \"size\" [height, width] and \"counts\"");
  }
  const auto height = whole_number((*size)[0]), width = whole_number((*size)[1]);
  if (!height || !width) refuse("segmentation", "a size of whole numbers");
  const auto checked = [this](auto&& make) {
    try {
      return make();
    } catch (const Error& error) {
      fail(std::string("has a damaged mask: ") + error.what());
    }
  };
  if (counts->is_string()) {
    return checked([&] { return rle_from_text(counts->get_ref<const std::string&>(), *height, *width); });
  }
  RleMask mask{*height, *width, count_list(*counts)};
  checked([&] { check_rle(mask); });
  return mask;
}

std::vector<uint32_t> CocoRecord::count_list(const json& value) const {
  std::vector<uint32_t> counts;
  for (const json& item : value) {
    const auto count = whole_number(item);
    if (!value.is_array() || !count || *count < 0 || *count > UINT32_MAX) {
      refuse("segmentation", "counts of whole numbers, each at least 0,");
    }
    counts.push_back(static_cast<uint32_t>(*count));
  }
  return counts;
}

json id_json(const ImageId& id) { return id.is_text() ? json(id.text()) : json(id.number()); }

json segmentation_json(const std::vector<std::vector<double>>& polygons, const std::optional<RleMask>& rle) {
  if (rle) return {{"size", {rle->height, rle->width}}, {"counts", rle_to_text(*rle)}};
  if (!polygons.empty()) return polygons;
  return nullptr;
}

}  // namespace retentive::datasets::detail
