#include <algorithm>

#include <datasets/detail/byte_reader.h>
#include <datasets/detail/coco_record_json.h>
#include <retention/base/error.h>

namespace retentive::datasets::detail {

namespace {

using nlohmann::json;

constexpr size_t kMostNested = 4;  // of an element: object, "segmentation", list, outline

/// Receives the events of the parser and builds the elements that are asked for, each thrown away after its visit.
class ElementBuilder {
 public:
  using Visit = std::function<void(const std::string&, const CocoRecord&)>;

  ElementBuilder(const std::string& file, uint64_t bytes, const std::vector<std::string>& sections, const Visit& visit)
      : file_(file), bytes_(bytes), sections_(sections), visit_(visit) {}

  bool null() { return value(nullptr); }
  bool boolean(bool truth) { return value(truth); }
  bool number_integer(int64_t number) { return value(number); }
  bool number_unsigned(uint64_t number) { return value(number); }
  bool number_float(double number, const std::string&) { return value(number); }
  bool string(std::string& text) { return value(std::move(text)); }
  bool binary(json::binary_t&) { return true; }
  bool start_object(size_t) { return start(json::value_t::object); }
  bool start_array(size_t) { return start(json::value_t::array); }
  bool end_object() { return end(); }
  bool end_array() { return end(); }

  bool key(std::string& name) {
    if (!open_.empty()) {
      key_ = std::move(name);
    } else if (depth_ == 1) {
      section_ = std::move(name);
    }
    return true;
  }

  bool parse_error(size_t position, const std::string&, const json::exception&) {
    if (position > bytes_) fail("ends in the middle, after " + std::to_string(bytes_) + " bytes; get a complete copy");
    fail("is not valid JSON at byte " + std::to_string(position) +
         "; correct it there (NaN and Infinity are no JSON, and numbers must fit a double)");
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw DataError("[coco] " + file_ + " " + what); }

  bool value(json&& item) {
    if (!open_.empty()) {
      insert(std::move(item));
    } else if (at_element()) {
      visit_(section_, CocoRecord(file_, section_, index_++, item));
    } else if (depth_ == 0) {
      fail_root();
    } else {
      check_section(false);
    }
    return true;
  }

  bool start(json::value_t kind) {
    const bool list = kind == json::value_t::array;
    if (!open_.empty()) {
      if (open_.size() == kMostNested) fail("has " + section_ + "[" + std::to_string(index_) + "] nested too deeply");
      open_.push_back(insert(json(kind)));
    } else if (at_element()) {
      element_ = json(kind);
      open_.push_back(&element_);
    } else if (depth_ == 0) {
      if (list != sections_.empty()) fail_root();
      inside_ = list;
    } else {
      inside_ = check_section(list);
      index_ = 0;
    }
    ++depth_;
    return true;
  }

  bool end() {
    --depth_;
    if (open_.empty()) {
      inside_ = inside_ && depth_ >= list_depth();
      return true;
    }
    open_.pop_back();
    if (open_.empty()) visit_(section_, CocoRecord(file_, section_, index_++, element_));
    return true;
  }

  json* insert(json&& item) {
    json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(item));
      return &parent.back();
    }
    json& slot = parent[key_];
    slot = std::move(item);
    return &slot;
  }

  size_t list_depth() const { return sections_.empty() ? 1 : 2; }
  bool at_element() const { return inside_ && depth_ == list_depth(); }

  /// Whether what begins here is a section that is asked for; those must be lists.
  bool check_section(bool list) const {
    if (depth_ != 1 || std::find(sections_.begin(), sections_.end(), section_) == sections_.end()) return false;
    if (!list) fail("has \"" + section_ + "\" that is no list; a list of objects is accepted");
    return true;
  }

  [[noreturn]] void fail_root() const {
    if (sections_.empty()) fail("is no results file; a list of objects with image_id, category_id, score is accepted");
    fail("is no annotation file; an object with the lists images, categories and annotations is accepted");
  }

  const std::string& file_;
  uint64_t bytes_;
  const std::vector<std::string>& sections_;
  const Visit& visit_;
  size_t depth_ = 0;
  bool inside_ = false;  ///< a list whose elements are asked for
  std::string section_ = "entry";
  std::string key_;
  int64_t index_ = 0;
  json element_;
  std::vector<json*> open_;  ///< the containers of the element that have begun and not ended
};

}  // namespace

void read_coco_records(const std::filesystem::path& path, const std::vector<std::string>& sections,
                       const std::function<void(const std::string&, const CocoRecord&)>& visit) {
  uint64_t bytes = 0;
  std::ifstream file = open_regular_file(path, "coco", bytes);
  const std::string name = path.string();
  ElementBuilder builder(name, bytes, sections, visit);
  json::sax_parse(file, &builder);
}

}  // namespace retentive::datasets::detail
