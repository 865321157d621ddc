#include <apps/notes.h>

#include <iostream>
#include <set>

#include <datasets/notes.h>

namespace retentive::apps {

void print_notes(const std::vector<std::string>& notes) {
  for (const auto& note : notes) std::cerr << "note: " << note << "\n";
}

void print_file_notes(bool once_per_kind) {
  datasets::set_note_sink(
      [once_per_kind, said = std::set<std::string>()](const std::string& file, const std::string& note) mutable {
        if (!said.insert(once_per_kind ? note : file + "\n" + note).second) return;
        std::cerr << "note: " << file << " " << note << (once_per_kind ? " (others like it are not named)\n" : "\n");
      });
}

}  // namespace retentive::apps
