#include <models/class_match.h>

#include <algorithm>
#include <numeric>

#include <models/config_json.h>
#include <models/nearest.h>
#include <retention/base/error.h>

namespace retentive::models {
namespace {

using Names = std::vector<std::string>;

constexpr int64_t kNone = ClassMatch::kNone;

std::string in_quotes(const std::string& name) {
  return Json(name).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string joined(const Names& parts) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

std::string counted(size_t count) { return std::to_string(count) + (count == 1 ? " class" : " classes"); }

std::vector<int64_t> places(const Names& names, const std::string& name) {
  std::vector<int64_t> found;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) found.push_back(static_cast<int64_t>(i));
  }
  return found;
}

/// One matching of two lists of names.
class Matcher {
 public:
  Matcher(const Names& model, const Names& set, const ClassMatchOptions& options)
      : model_(model), set_(set), options_(options) {
    match_.set_class.assign(model.size(), kNone);
    match_.model_class.assign(set.size(), kNone);
    match_.left_out.assign(set.size(), false);
  }

  ClassMatch run() && {
    if (model_ == set_ && options_.map.empty()) {
      std::iota(match_.set_class.begin(), match_.set_class.end(), int64_t{0});
      match_.model_class = match_.set_class;
      return std::move(match_);
    }
    check_map();
    for (size_t i = 0; i < model_.size(); ++i) match_class(static_cast<int64_t>(i));
    refuse_unmatched();
    note_missing();
    return std::move(match_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw DataError("[" + options_.where + "] " + what); }

  void check_map() {
    for (const auto& [name, other] : options_.map) {
      const auto in_set = places(set_, name);
      const bool in_model = !places(model_, name).empty();
      if (!other) {
        for (const auto label : in_set) match_.left_out[static_cast<size_t>(label)] = true;
      }
      if (!in_model && (other || in_set.empty())) {
        fail("the class map has " + in_quotes(name) + ", which is no class of the model" +
             (other ? "" : " or of " + options_.set) + " (nearest: " + in_quotes(nearest_name(name, model_)) +
             "); correct it");
      }
      if (other && places(set_, *other).empty()) {
        fail("the class map has " + in_quotes(*other) + " for " + in_quotes(name) + ", which is no class of " +
             options_.set + " (nearest: " + in_quotes(nearest_name(*other, set_)) + "); correct it");
      }
    }
  }

  void match_class(int64_t label) {
    const auto& own = model_[static_cast<size_t>(label)];
    const auto entry = options_.map.find(own);
    const bool mapped = entry != options_.map.end();
    if (mapped && !entry->second) return;
    const auto& name = mapped ? *entry->second : own;
    const auto found = places(set_, name);
    if (found.empty()) return;
    if (found.size() > 1) fail(ambiguous(name, found.size(), options_.set));
    if (!mapped && places(model_, own).size() > 1) fail(ambiguous(own, places(model_, own).size(), "the model"));
    if (match_.left_out[static_cast<size_t>(found[0])]) return;
    match_.set_class[static_cast<size_t>(label)] = found[0];
    auto& ours = match_.model_class[static_cast<size_t>(found[0])];
    if (ours != kNone && options_.one_to_one) {
      fail(in_quotes(model_[static_cast<size_t>(ours)]) + " and " + in_quotes(own) + " both stand for " +
           in_quotes(name) + " of " + options_.set +
           "; one class of the model for each class of the set is accepted; correct the class map");
    }
    if (ours == kNone) ours = label;
  }

  static std::string ambiguous(const std::string& name, size_t count, const std::string& whose) {
    return in_quotes(name) + " is the name of " + counted(count) + " of " + whose +
           "; classes are matched by name; give each a name of its own";
  }

  bool is_used(size_t label) const { return options_.used.empty() || options_.used[label]; }

  /// The names of the model that nothing in the set has, or all where there are none.
  Names free_names() const {
    Names names;
    for (size_t i = 0; i < model_.size(); ++i) {
      if (match_.set_class[i] == kNone) names.push_back(model_[i]);
    }
    return names.empty() ? model_ : names;
  }

  static std::string with_nearest(const Names& names, const Names& known) {
    constexpr size_t kShown = 100;
    Names parts;
    for (size_t i = 0; i < std::min(names.size(), kShown); ++i) {
      parts.push_back(in_quotes(names[i]) + " (nearest: " + in_quotes(nearest_name(names[i], known)) + ")");
    }
    if (names.size() > kShown) parts.push_back("and " + std::to_string(names.size() - kShown) + " more");
    return joined(parts);
  }

  void refuse_unmatched() {
    Names unmatched, unused;
    bool any = false;
    for (size_t i = 0; i < set_.size(); ++i) {
      any = any || match_.model_class[i] != kNone;
      if (match_.model_class[i] == kNone && !match_.left_out[i]) (is_used(i) ? unmatched : unused).push_back(set_[i]);
    }
    if (!any) unmatched.insert(unmatched.end(), unused.begin(), unused.end());
    const auto free = free_names();
    if (!unmatched.empty()) {
      const auto map = options_.flag.empty()
                           ? ""
                           : ", or give " + options_.flag + ", for example {" +
                                 in_quotes(nearest_name(unmatched[0], free)) + ": " + in_quotes(unmatched[0]) +
                                 "}; null in place of a name leaves a class out";
      fail(counted(unmatched.size()) + " of " + options_.set + (unmatched.size() == 1 ? " is" : " are") +
           " unknown to the model: " + with_nearest(unmatched, free) + "; classes are matched by name: rename them" +
           map);
    }
    if (!any) fail("the class map leaves out every class of " + options_.set + "; leave one in");
    if (!unused.empty()) {
      match_.notes.push_back(counted(unused.size()) + " of " + options_.set +
                             " without an example unknown to the model: " + with_nearest(unused, free));
    }
  }

  void note_missing() {
    constexpr size_t kShown = 8;
    Names missing;
    for (size_t i = 0; i < model_.size(); ++i) {
      if (match_.set_class[i] == kNone) missing.push_back(in_quotes(model_[i]));
    }
    if (missing.empty()) return;
    auto note = counted(missing.size()) + " of the model not in " + options_.set + ": ";
    if (missing.size() > kShown) {
      missing.resize(kShown);
      missing.emplace_back("...");
    }
    match_.notes.push_back(note + joined(missing));
  }

  const Names& model_;
  const Names& set_;
  const ClassMatchOptions& options_;
  ClassMatch match_;
};

std::string without_spaces(std::string_view text) {
  constexpr std::string_view kSpaces = " \r";
  const auto first = text.find_first_not_of(kSpaces);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(kSpaces) - first + 1));
}

void add_entry(ClassMap& map, const std::string& where, const std::string& name, std::optional<std::string> other) {
  if (map.emplace(name, std::move(other)).second) return;
  throw DataError("[" + where + "] " + in_quotes(name) + " occurs twice; keep one line for each class");
}

ClassMap map_of_lines(std::string_view text, const std::string& where) {
  ClassMap map;
  for (int64_t number = 1; !text.empty(); ++number) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (without_spaces(line).empty()) continue;
    const auto tab = line.find('\t');
    const auto middle = tab != std::string_view::npos ? tab : line.find(',');
    const char separator = tab != std::string_view::npos ? '\t' : ',';
    const bool two = middle != std::string_view::npos && line.find(separator, middle + 1) == std::string_view::npos;
    if (!two) {
      throw DataError(
          "[" + where + "] line " + std::to_string(number) +
          " is not two names; the model's name, a tab or comma, and the set's name are accepted; names with "
          "commas need a tab, or JSON");
    }
    const auto other = without_spaces(line.substr(middle + 1));
    add_entry(map, where, without_spaces(line.substr(0, middle)), other.empty() ? std::nullopt : std::optional(other));
  }
  return map;
}

ClassMap map_of_json(const std::string& text, const std::string& where) {
  const auto json = parse_json(text, where);
  ClassMap map;
  for (const auto& [name, other] : json.items()) {
    if (!other.is_null() && !other.is_string()) {
      throw DataError("[" + where + "] " + in_quotes(name) + " is " + other.dump() +
                      "; the name of a class of the set is accepted, or null to leave the class out");
    }
    map[name] = other.is_null() ? std::nullopt : std::optional(other.get<std::string>());
  }
  return map;
}

}  // namespace

ClassMap read_class_map(const std::filesystem::path& path) {
  const auto where = path.string();
  const auto text = read_config_text(where);
  const auto first = text.find_first_not_of(" \t\r\n");
  auto map = first != std::string::npos && text[first] == '{' ? map_of_json(text, where) : map_of_lines(text, where);
  if (!map.empty()) return map;
  throw DataError("[" + where + "] has no classes; give a JSON object {\"model's name\": \"set's name\"}");
}

ClassMatch match_classes(const Names& model_names, int64_t num_classes, const Names& set_names,
                         const ClassMatchOptions& options) {
  if (!model_names.empty()) return Matcher(model_names, set_names, options).run();
  Names indices;
  for (int64_t i = 0; i < num_classes; ++i) indices.push_back(std::to_string(i));
  if (!options.map.empty()) return Matcher(indices, set_names, options).run();
  if (static_cast<int64_t>(set_names.size()) != num_classes) {
    throw DataError("[" + options.where + "] the model has " + std::to_string(num_classes) +
                    " classes without names and " + options.set + " has " + std::to_string(set_names.size()) +
                    "; give the weights names: `retentive convert IN OUT --labels FILE`");
  }
  auto match = Matcher(indices, indices, options).run();
  match.notes.push_back("the weights have no class names: class k of the model is taken for class k of " + options.set +
                        "; `retentive convert IN OUT --labels FILE` gives them names");
  return match;
}

}  // namespace retentive::models
