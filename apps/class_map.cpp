#include <apps/class_map.h>

#include <iostream>

namespace retentive::apps {

CLI::Option* add_class_map(CLI::App& app, std::string& file) {
  return app.add_option(
      "--class-map", file,
      "classes whose names differ: JSON {\"model's name\": \"set's name\", \"left out\": null}, or two "
      "names a line with a tab or comma between");
}

models::ClassMatchOptions class_match_options(const std::string& where, const std::string& set,
                                              const std::string& class_map) {
  models::ClassMatchOptions options;
  options.where = where;
  options.set = set;
  options.flag = "--class-map FILE";
  if (!class_map.empty()) options.map = models::read_class_map(class_map);
  return options;
}

void note_dropped(int64_t count, const std::string& annotations) {
  if (count == 0) return;
  std::cerr << "note: " << count << (count == 1 ? " result" : " results") << " of classes that " << annotations
            << " lacks dropped\n";
}

}  // namespace retentive::apps
